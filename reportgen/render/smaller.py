"""What became of a model that was made smaller, as text for a terminal."""

from collections.abc import Callable, Iterator

from reportgen import format
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record.pruning import Certificate, Change, LayerSmaller, Merged, Smaller
from reportgen.render.languages import catalogue
from reportgen.render.lines import Lines
from reportgen.render.lines import joined as blocks_joined

_NUMBERS = 12


def plain(smaller: Smaller, lang: str) -> str:
    """Return the certificate as paragraphs and aligned tables in the language `lang`."""
    return blocks_joined(_Writer(smaller, Lines(catalogue(lang))).blocks())


class _Writer:
    """Says a certificate, block by block."""

    def __init__(self, smaller: Smaller, lines: Lines) -> None:
        self._smaller, self._lines = smaller, lines

    def blocks(self) -> Iterator[list[str]]:
        """Yield each paragraph and each table, as lines."""
        found, lines = self._smaller, self._lines
        yield [lines.say(_lossless(found.lossless))]
        if found.merged is not None:
            yield [lines.say(sentence) for sentence in _merged(found.merged)]
        yield from self._layers()
        yield self._figures()
        yield [lines.say(_left(found))]

    def _layers(self) -> Iterator[list[str]]:
        rows = [_row(layer) for layer in self._smaller.layers]
        head = (
            text("Layer"), text("Units"), text("Now"), text("Cannot fire"), text("Did not fire"), text("Constant"),
            text("Copies"), text("Merged"),
        )  # fmt: skip
        yield self._lines.table(text("Layers"), head, rows, numbers=7)
        stays = [_stays(layer) for layer in self._smaller.layers]
        if any(stays):
            title = self._lines.say(text("What stays, and why"))
            yield [title, *self._lines.indented(sentence for found in stays for sentence in found)]

    def _figures(self) -> list[str]:
        found = self._smaller
        rows = [
            [text("Units"), *_both(found.units, _count), _part(found.units)],
            [text("Parameters"), *_both(found.params, _count), _part(found.params)],
            [
                text("Multiplications for an image"),
                *_both(found.multiplications, _count),
                _part(found.multiplications),
            ],
            [text("Seconds for 1,000 images"), *_both(found.seconds, format.number), _part(found.seconds)],
            [
                text("Size of the file"),
                *_both(found.bytes, lambda value: format.size(round(value))),
                _part(found.bytes),
            ],
            [text("Test accuracy"), *_both(found.test_accuracy, lambda value: format.percent(value, 2)), ""],
        ]
        table = self._lines.table(text("Figures"), ("", text("Before"), text("Now"), text("Change")), rows, numbers=3)
        if found.uncounted:
            named = format.first(found.uncounted, _NUMBERS)
            table += self._lines.indented([text("Multiplications are without those of {layers}.", layers=named)])
        return [*table, *self._lines.indented([text("The file is without the state of the training's optimiser.")])]


def _lossless(found: Certificate) -> Text:
    if not found.units:
        return text("No unit can go without changing an answer.")
    went = ntext(
        found.units,
        "{n} unit went without changing an answer, in {rounds}:",
        "{n} units went without changing an answer, in {rounds}:",
        rounds=ntext(found.rounds, "{n} round", "{n} rounds"),
    )
    images = ntext(found.images, "{n} image", "{n} images")
    measured = text(
        "over all {images} the scores of the model without them, saved and loaded again, differ from those of the model"
        " by at most {difference}; the largest is {scale}.",
        images=images,
        difference=format.number(found.largest_difference),
        scale=format.number(found.scale),
    )
    if not found.largest_difference:
        measured = text(
            "over all {images} the scores of the model without them, saved and loaded again, are those of the model to"
            " the last bit.",
            images=images,
        )
    changed = ntext(
        found.answers_changed,
        "{n} image, between two classes that are all but equal, gets another class.",
        "{n} images, between two classes that are all but equal, get another class.",
    )
    return joined(" ", [went, measured, *([changed] if found.answers_changed else [])])


def _merged(found: Merged) -> list[Text]:
    if not found.units:
        return [text("No redundant unit was merged."), *([found.stopped] if found.stopped else [])]
    redundant, went = found.units - found.still, list[Text]()
    if redundant:
        merged = ntext(
            redundant,
            "{n} redundant unit was merged into one that says the same.",
            "{n} redundant units were merged into those that say the same.",
        )
        went.append(merged)
    if found.still:
        let_go = ntext(
            found.still,
            "{n} unit that always gives the same on the test images, though not on all others, was let go.",
            "{n} units that always give the same on the test images, though not on all others, were let go.",
        )
        went.append(let_go)
    low, high = (format.signed_points(end, 1) for end in found.interval)
    cost = text(
        "Accuracy on {images} that nothing was fitted on: {before} before, {after} after ({change} points, 95 per"
        " cent interval {low} to {high}).",
        images=ntext(found.scored_on, "{n} test image", "{n} test images"),
        before=format.percent(found.accuracy_before),
        after=format.percent(found.accuracy_after),
        change=format.signed_points(found.accuracy_after - found.accuracy_before, 1),
        low=low,
        high=high,
    )
    sentences = [joined(" ", [*went, cost])]
    if found.at_random is not None:
        worst, best = found.at_random.accuracy[0], found.at_random.accuracy[-1]
        band = text(
            "As many units of the same layers chosen at random: {worst} to {best}.",
            worst=format.percent(worst),
            best=format.percent(best),
        )
        sentences.append(joined(" ", [band, found.said]))
    return [*sentences, *([found.stopped] if found.stopped else [])]


def _row(layer: LayerSmaller) -> list[str]:
    went = [len(layer.cannot_fire), len(layer.did_not_fire), len(layer.constant), len(layer.copies), len(layer.merged)]
    counts = [f"{some:,}" if some else "" for some in went]
    return [layer.name, _count(layer.units_before), _count(layer.units_after), *counts]


def _stays(layer: LayerSmaller) -> list[Text]:
    """Return why a layer, or units of it that change no answer, are left."""
    if layer.left is not None:
        return [text("{layer}: {reason}", layer=layer.name, reason=layer.left)]
    return [
        text(
            "{layer}, {units}: {reason}",
            layer=layer.name,
            units=ntext(len(one.units), "unit {numbers}", "units {numbers}", numbers=_numbers(one.units)),
            reason=one.reason,
        )
        for one in layer.kept
    ]


def _numbers(units: list[int]) -> Text:
    return format.first([str(unit) for unit in units], _NUMBERS)


def _left(found: Smaller) -> Text:
    if not found.left_dead and not found.left_copies:
        return text("A report on the smaller model would call no unit dead or constant, and none a copy.")
    return text(
        "A report on the smaller model would still call {dead} dead or constant, and {copies} a copy: those that stay.",
        dead=ntext(found.left_dead, "{n} unit", "{n} units"),
        copies=ntext(found.left_copies, "{n} unit", "{n} units"),
    )


def _both(change: Change, said: Callable[[float], str]) -> list[str]:
    return [format.NOT_AVAILABLE if value is None else said(value) for value in (change.before, change.after)]


def _count(value: float) -> str:
    return format.count(round(value))


def _part(change: Change) -> str:
    if not change.before or change.after is None:
        return ""
    return format.relative(change.before, change.after)
