"""The level of detail of a page: by steps fewer and smaller pictures, and in words what was left out.

Longer than most modules: each step of the ladder has the sentence that tells of it beside it.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate

import numpy as np

from reportgen.format import as_given
from reportgen.i18n import Text, ntext, text
from reportgen.record.pictures import (
    Array,
    Cards,
    ClassMap,
    Correlations,
    Examples,
    Kernels,
    Maps,
    Pictures,
    ShiftedImages,
    Strips,
    TrustPictures,
)
from reportgen.record.run import Record
from reportgen.record.units import LayerVerdict, Unit
from reportgen.render.page.layer_views import CELLS_ON_PAPER, ROWS_ON_PAPER, has_remark


@dataclass(frozen=True)
class Detail:
    """The most that is painted of a record; None is as much as it has.

    examples: test images beside the layers' outputs. image_side: of those and of mistakes, in pixels. units: of a
    layer whose outputs and kernels have a picture. map_side: of an output of two axes, in values. compared: units of
    a layer in the pictures of correlations and of responses to classes. cards: of units, in the whole report.
    """

    examples: int | None = None
    image_side: int | None = None
    units: int | None = None
    map_side: int | None = None
    compared: int | None = None
    cards: int | None = None


@dataclass(frozen=True)
class Listing:
    """How units are listed, which costs a page bytes and paper time. rows, cells: most of a layer, None for all.

    rows: of the table of units. cells: of the strip of states. brief: rows and cells without what a reader does not
    miss: less than half the bytes. folded: what is shown of a layer stands in a fold that is built when it is opened.
    layers: the names of those that are shown, None for all.
    """

    rows: int | None = None
    cells: int | None = None
    brief: bool = False
    folded: bool = False
    layers: frozenset[str] | None = None

    def shows(self, layer: str) -> bool:
        """Return whether a layer has a section."""
        return self.layers is None or layer in self.layers


@dataclass(frozen=True)
class Step:
    """One step of a ladder: what is painted, and how units are listed."""

    room: Detail
    listing: Listing


MOST_AT_ONCE = 1000
"""Most units of a record whose page is complete without its script: each takes about 15 elements, with a card 100."""
ALL = Detail()
"""Detail for everything."""
ON_PAPER = Listing(ROWS_ON_PAPER, CELLS_ON_PAPER)
"""How paper lists units where there are not too many of them."""

_CHANGES: list[dict[str, int]] = [
    {},
    {"examples": 3, "image_side": 256},
    {"units": 32, "compared": 128},
    {"map_side": 32, "cards": 120},
    {"compared": 64, "cards": 80},
    {"examples": 2},
    {"units": 16},
    {"map_side": 16, "cards": 60, "image_side": 128},
    {"units": 8, "compared": 32, "cards": 40},
    {"examples": 1},
    {"units": 4, "map_side": 8, "cards": 20, "image_side": 96},
    {"compared": 16, "image_side": 48},
    {"units": 0, "compared": 0, "cards": 0},
]
"""What each step of a ladder makes less of; the rest stays as on the step before."""
_ROOMS = list(accumulate(_CHANGES, lambda space, change: replace(space, **change), initial=ALL))[1:]
_FEW_CELLS = 64
LAYERS_ON_PAPER, PAGES_OF_LARGE = 15, 60
"""Most layers of a large model in its PDF, and its most pages."""
_PAGES, _PAGES_OF_LAYER, _OTHER_PAGES, _LISTED_ON_PAGE = 52, 1.75, 20, 40
"""How many pages the first step of the PDF of a large model aims at, a layer takes, and all but layers and their lists,
and how many layers a page lists: a PDF that is longer than foreseen is written twice."""
_LARGE_ON_PAPER = Detail(examples=2, units=8, map_side=16, compared=0, cards=6)
_LARGE_ROWS, _FEWER_LAYERS = 3, 0.75
_ROWS_OF_ALL, _CELLS_OF_ALL, _CELLS_OF_LARGE = 1500, 5000, 1500
"""Most rows and cells of a whole PDF, each of which takes WeasyPrint milliseconds and hundreds of kilobytes."""
_SHARES = [1, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.25, 0.1, 0.1, 0]
"""Which share of those the steps of paper have."""


def is_large(record: Record) -> bool:
    """Return whether a record has more units than a page can show at once."""
    return len(record.units) > MOST_AT_ONCE


def on_screen(*, large: bool = False) -> list[Step]:
    """Return the ladder of the page: whole, listed briefly, with fewer and fewer pictures. All units stay listed.

    large: of a record that is, which is listed briefly and folded from the first step on.
    """
    brief = [Step(room, Listing(brief=True, folded=large)) for room in _ROOMS]
    first = [] if large else [Step(ALL, Listing())]
    return [*first, *brief[:-1], Step(_ROOMS[-1], Listing(cells=_FEW_CELLS, brief=True, folded=large))]


def usual(record: Record, *, paper: bool) -> Listing:
    """Return how units are listed where there is room for everything."""
    return on_paper(record)[0].listing if paper else on_screen(large=is_large(record))[0].listing


def on_paper(record: Record) -> list[Step]:
    """Return the ladder of the PDF of this record: of many layers each lists fewer units from the first step on.

    Of a large model it has the layers that there is something to say about, and fewer of them on each step.
    """
    large = is_large(record)
    most, telling = (_LARGE_ROWS, _with_remark(record)) if large else (ROWS_ON_PAPER, record.layers)
    of_cells, of_layers = (_CELLS_OF_LARGE if large else _CELLS_OF_ALL), _layers_on_paper(record)
    steps = []
    for number, (room, share) in enumerate(zip(_ROOMS, _SHARES, strict=True)):
        layers = telling[: max(1, int(of_layers * _FEWER_LAYERS**number))] if large else telling
        sizes = [verdict.units for verdict in layers]
        listing = Listing(
            _each(sizes, most, int(_ROWS_OF_ALL * share)),
            _each(sizes, CELLS_ON_PAPER, int(of_cells * share)),
            layers=frozenset(verdict.name for verdict in layers) if large else None,
        )
        steps.append(Step(_least(room, _LARGE_ON_PAPER) if large else room, listing))
    return steps


def _layers_on_paper(record: Record) -> int:
    """Return for how many layers of a large model there is room beside what its PDF has anyway."""
    lists = (len(record.model.layers) + len(record.layers)) / _LISTED_ON_PAGE
    return min(max(int((_PAGES - _OTHER_PAGES - lists) / _PAGES_OF_LAYER), 3), LAYERS_ON_PAPER)


def _least(one: Detail, other: Detail) -> Detail:
    """Return what is left of both."""
    pairs = {f.name: [getattr(one, f.name), getattr(other, f.name)] for f in fields(Detail)}
    known = {name: [most for most in pair if most is not None] for name, pair in pairs.items()}
    return Detail(**{name: min(most, default=None) for name, most in known.items()})


def _with_remark(record: Record) -> list[LayerVerdict]:
    """Return the layers that there is something to say about, the gravest findings and the most units first."""
    gravest = {one.layer: -n for n, one in enumerate(reversed(record.findings))}
    units = Counter(unit.layer for unit in record.units if has_remark(unit))
    found = [verdict for verdict in record.layers if units[verdict.name] or verdict.name in gravest]
    return sorted(found, key=lambda verdict: (gravest.get(verdict.name, 1), -units[verdict.name] / verdict.units))


def thinned(record: Record, space: Detail) -> Record:
    """Return the record with the pictures that there is room for; with room for all of them, the record itself."""
    if space == ALL:
        return record
    thin = thinned_pictures(record.pictures, space)
    return replace(record, pictures=replace(thin, cards=_cards(record, space.cards)))


def thinned_pictures(pictures: Pictures, space: Detail) -> Pictures:
    """Return the pictures that there is room for, and all cards."""
    return replace(
        pictures,
        examples=_examples(pictures.examples, space),
        worst=_small(pictures.worst, space.image_side),
        shifted=_shifted(pictures.shifted, space.image_side),
        trust=None if pictures.trust is None else _trust(pictures.trust, space.image_side),
        maps=[_map(maps, space) for maps in pictures.maps if space.units != 0],
        strips=[_strip(strips, space) for strips in pictures.strips if space.units != 0],
        kernels=[_kernel(kernels, space) for kernels in pictures.kernels if space.units != 0],
        correlations=[_correlation(found, space.compared) for found in pictures.correlations if space.compared != 0],
        class_maps=[_class_map(found, space.compared) for found in pictures.class_maps if space.compared != 0],
    )


def _shifted(shown: ShiftedImages | None, side: int | None) -> ShiftedImages | None:
    if shown is None:
        return None
    return replace(shown, original=_small(shown.original, side), changed=_small(shown.changed, side))


def outputs(pictures: Pictures) -> list[Maps | Strips]:
    """Return the outputs of all layers that have pictures of them."""
    return [*pictures.maps, *pictures.strips]


def cards_shown(record: Record, *, paper: bool, most: int | None = None) -> int:
    """Return how many units have a card on a page; on paper only those with something to say about them.

    most: units with a card in all.
    """
    cards = record.pictures.cards.units.values()
    there = sum(map(has_remark, _with_card(record))) if paper else sum(map(len, cards))
    return there if most is None else min(there, most)


def left_out(record: Record, step: Step, limit: float, *, paper: bool, is_last: bool) -> list[Text]:
    """Return in sentences what a step leaves out of this record and why; none where that is nothing.

    limit: the size that was asked for, in megabytes. is_last: there is no step with less.
    """
    full, less = record.pictures, thinned_pictures(record.pictures, step.room)
    found = [
        _of_layers(record, step.listing),
        _of_examples(full, less),
        _of_units(full, less, step.room),
        _of_maps(full, less, step.room),
        _of_images(full, less, step.room),
        _of_compared(full, step.room),
        _of_cards(cards_shown(record, paper=paper), cards_shown(record, paper=paper, most=step.room.cards)),
        *_of_lists(record, step.listing, paper=paper),
    ]
    said = [sentence for sentence in found if sentence is not None]
    if not said:
        return []
    where = (
        text("Every unit is in report.json, and in the tables of the HTML page.")
        if paper
        else text("Every unit is in the tables and in report.json.")
    )
    ladder = on_paper(record) if paper else on_screen(large=is_large(record))
    by_size = step.room != ladder[0].room
    return [_why(limit, paper=paper, by_size=by_size), *said, where, *_way_out(by_size, paper, is_last)]


def _why(limit: float, *, paper: bool, by_size: bool) -> Text:
    size = f"{as_given(limit)}\N{NO-BREAK SPACE}MB"
    if not by_size:
        return text("This model has more layers and units than there is room for in a PDF.")
    if paper:
        return text("To keep this PDF under {size}, part of what there is to show was left out.", size=size)
    return text("To keep this page under {size}, part of what there is to show was left out.", size=size)


def _way_out(by_size: bool, paper: bool, is_last: bool) -> list[Text]:
    if is_last:
        return [text("Less than this is never shown, so the file can be larger all the same.")]
    if not by_size:
        return []
    flag = "--max-pdf-mb" if paper else "--max-html-mb"
    return [text("With a larger {flag}, {command} shows more.", flag=flag, command="reportgen render")]


def _of_layers(record: Record, listing: Listing) -> Text | None:
    if listing.layers is None or len(listing.layers) == len(record.layers):
        return None
    shown, every = f"{len(listing.layers):,}", f"{len(record.layers):,}"
    if len(listing.layers) < len(_with_remark(record)):
        return text("{shown} of {all} layers are shown, those with most to say about them.", shown=shown, all=every)
    return text("{shown} of {all} layers are shown: about the others there is nothing to say.", shown=shown, all=every)


def _of_examples(full: Pictures, less: Pictures) -> Text | None:
    before, after = len(full.examples.images), len(less.examples.images)
    if after == before:
        return None
    return text("Outputs are shown for {shown} of {all} test images.", shown=f"{after:,}", all=f"{before:,}")


def _of_units(full: Pictures, less: Pictures, space: Detail) -> Text | None:
    before, after = (_units_painted(pictures) for pictures in (full, less))
    if after == before:
        return None
    if not after:
        return text("No outputs and kernels are shown.")
    return text(
        "At most {most} units of a layer have a picture of their outputs and kernels, in all {shown} instead of {all}.",
        most=f"{space.units:,}",
        shown=f"{after:,}",
        all=f"{before:,}",
    )


def _of_maps(full: Pictures, less: Pictures, space: Detail) -> Text | None:
    if all(new.step == old.step for new, old in zip(less.maps, full.maps, strict=bool(less.maps))):
        return None
    return text(
        "Of outputs with more than {side} rows or columns, only some of these are shown.", side=f"{space.map_side:,}"
    )


def _of_images(full: Pictures, less: Pictures, space: Detail) -> Text | None:
    pairs = ((full.examples.images, less.examples.images), (full.worst, less.worst))
    if all(before.shape[1:] == after.shape[1:] for before, after in pairs):
        return None
    return text("Test images are reduced to at most {side} pixels a side.", side=f"{space.image_side:,}")


def _of_compared(full: Pictures, space: Detail) -> Text | None:
    compared = [len(found.order) for found in full.correlations] + [found.values.shape[1] for found in full.class_maps]
    if space.compared is None or max(compared, default=0) <= space.compared:
        return None
    if not space.compared:
        return text("No correlations of units and no responses to classes are shown as pictures.")
    return text(
        "At most {most} units of a layer are in the pictures of correlations and of responses to classes.",
        most=f"{space.compared:,}",
    )


def _of_cards(before: int, after: int) -> Text | None:
    if after == before:
        return None
    if not after:
        return text("No cards of units are shown.")
    return text(
        "Of {all} cards of units {shown} are shown, first those of units with something to say about them.",
        all=f"{before:,}",
        shown=f"{after:,}",
    )


def _of_lists(record: Record, listing: Listing, *, paper: bool) -> list[Text]:
    """Return what is listed less than usual."""
    largest = max((verdict.units for verdict in record.layers), default=0)
    usual = ON_PAPER if paper else Listing()
    said = []
    if listing.rows is not None and listing.rows < min(largest, usual.rows or largest):
        said.append(
            ntext(
                listing.rows,
                "The tables of units have at most {n} unit of each layer.",
                "The tables of units have at most {n} units of each layer.",
            )
            if listing.rows
            else text("The tables of units are left out.")
        )
    if listing.cells is not None and listing.cells < min(largest, usual.cells or largest):
        said.append(
            ntext(
                listing.cells,
                "The strips of states have at most the first {n} unit of each layer.",
                "The strips of states have at most the first {n} units of each layer.",
            )
            if listing.cells
            else text("The strips of states are left out.")
        )
    return said


def _units_painted(pictures: Pictures) -> int:
    """Return how many units have a picture of their outputs."""
    return sum(found.values.shape[-1] for found in outputs(pictures))


def _each(sizes: Sequence[int], most: int, of_all: int) -> int:
    """Return how many units each layer may list, at most `most`, so that all together list no more than `of_all`.

    sizes: how many units the layers have.
    """
    return bisect_right(range(1, most + 1), of_all, key=lambda each: sum(min(each, size) for size in sizes))


def _examples(examples: Examples, space: Detail) -> Examples:
    return Examples(
        _small(examples.images[: space.examples], space.image_side),
        examples.true[: space.examples],
        examples.predicted[: space.examples],
    )


def _small(images: Array, side: int | None) -> Array:
    """Return pictures (N, H, W, C) with every n-th row and column. Series and volumes are shown small anyway."""
    if side is None or images.ndim != 4 or not images.size:
        return images
    step = -(-max(images.shape[1:3]) // side)
    return images[:, ::step, ::step]


def _trust(shown: TrustPictures, side: int | None) -> TrustPictures:
    pairs = [_small(of.reshape(-1, *of.shape[2:]), side) for of in (shown.exact, shown.near)]
    exact, near = (of.reshape(-1, 2, *of.shape[1:]) for of in pairs)
    return replace(shown, exact=exact, near=near, images=_small(shown.images, side))


def _map(maps: Maps, space: Detail) -> Maps:
    values = maps.values[: space.examples, ..., : space.units]
    if space.map_side is None or values.ndim != 4:
        return replace(maps, values=values)
    step = -(-max(values.shape[1:3]) // space.map_side)
    return replace(maps, step=maps.step * step, values=_every(values, step))


def _every(values: Array, step: int) -> Array:
    """Return every step-th row and column of outputs (E, H, W, U).

    Of an output that would have nothing but zeros then, though it has other values, those rows and columns are taken
    that the strongest one is in: a unit that fired is not shown as one that did not.
    """
    kept = values[:, ::step, ::step].copy()
    lost = values.any(axis=(1, 2)) & ~kept.any(axis=(1, 2))
    for example, unit in np.argwhere(lost):
        output = values[example, :, :, unit]
        row, column = np.unravel_index(np.abs(output).argmax(), output.shape)
        part = output[row % step :: step, column % step :: step]
        kept[example, : part.shape[0], : part.shape[1], unit] = part
    return kept


def _strip(strips: Strips, space: Detail) -> Strips:
    return replace(strips, values=strips.values[: space.examples, : space.units])


def _kernel(kernels: Kernels, space: Detail) -> Kernels:
    return replace(kernels, weights=kernels.weights[: space.units], channels=kernels.channels[: space.units])


def _correlation(found: Correlations, most: int | None) -> Correlations:
    """Return the units with the lowest numbers, in the order in which they stand."""
    kept = np.sort(np.argsort(found.order)[:most])
    return replace(found, order=found.order[kept], r=found.r[np.ix_(kept, kept)])


def _class_map(found: ClassMap, most: int | None) -> ClassMap:
    return replace(found, values=found.values[:, :most])


def _cards(record: Record, most: int | None) -> Cards:
    """Return as many cards, those of units with something to say about them first."""
    cards = record.pictures.cards
    first = sorted(_with_card(record), key=lambda unit: not has_remark(unit))[:most]
    kept = {(unit.layer, unit.unit) for unit in first}
    left = {layer: [unit for unit in units if (layer, unit) in kept] for layer, units in cards.units.items()}
    return replace(cards, units=left)


def _with_card(record: Record) -> list[Unit]:
    chosen = {(layer, unit) for layer, units in record.pictures.cards.units.items() for unit in units}
    return [unit for unit in record.units if (unit.layer, unit.unit) in chosen]
