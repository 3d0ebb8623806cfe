"""The features that words are about, measured at the centres of receptive fields in pictures.

Kinds: "edge" (one side brighter), "bar" (a line brighter than both sides; a gap with polarity -1), "dot" (a hole with
polarity -1), "corner", "end" (of a stroke), "level" (bright, or dark), "side" (the same of the half of the patch that
lies in a direction), "field" (of a whole large field), "contrast", "outline" (an edge of any direction), "red-green",
"blue-yellow", "saturation", "row", "column" and "centre" (near the centre, or far from it).

Edges are derivatives of a Gaussian, at a scale of 1 on 3x3 pixels Sobel's; a bar is as bright as its middle is brighter
than both sides in the mean, as by the usual masks for lines. Directions lie 45 degrees apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial, reduce
from typing import Any

import numpy as np

from reportgen.analysis.conditions import patches
from reportgen.analysis.conditions.patches import Along, Axis, Pictures
from reportgen.analysis.conditions.result import Bools, Feature, Floats, Ints

SCALES = (1, 2, 4)
_SIGMA = 0.85  # of the scale: at 3x3 the weights are then Sobel's 1, 2, 1
_STEP = 45
_MEANS = ("level", "side")  # of brightness: to count negative ones as 0 would ask where black begins


@dataclass(frozen=True)
class Look:
    """Where units look: what a basis is made for.

    field: along rows and columns. map_shape: (rows, columns) of positions. picture: (H, W) of the images. span: of all
    pixels. colour: whether the channels are red, green and blue, in this order.
    """

    field: tuple[Axis, Axis]
    map_shape: tuple[int, int]
    picture: tuple[int, int]
    span: float
    colour: bool

    @property
    def scales(self) -> tuple[int, ...]:
        """Of the windows: those that are no larger than half of the field, and always the smallest."""
        size = min(max(axis.size for axis in self.field), max(self.picture))
        return tuple(scale for scale in SCALES if scale == 1 or scale <= size / 2)

    def window(self, scale: int) -> tuple[Along, Along]:
        """Return the window of a scale, within the field."""
        rows, columns = (patches.window(axis, 3 * scale + (scale > 1)) for axis in self.field)
        return rows, columns


@dataclass(frozen=True)
class Measured:
    """Features at sampled positions. values: (N, S, F) float32. not_flat: (N, S). seen: (N, S, pixels) of the field.

    prepared: what is worked out of these alone, for each layer that looks alike.
    """

    features: tuple[Feature, ...]
    values: Floats
    not_flat: Bools
    seen: Floats
    prepared: dict[str, Any] = field(default_factory=dict)


def measure(pictures: Pictures, rows: Ints, columns: Ints, look: Look) -> Measured:
    """Measure every feature at positions (N, S) of images (N, H, W, C), some images at a time."""
    features, images = _features(look), pictures.images
    pixels = patches.WINDOW**2 * images.shape[-1] * max(rows.shape[1], 1)
    values = np.empty((*rows.shape, len(features)), np.float32)
    seen: list[Floats] = []
    for these in patches.in_turn(images, pixels):
        some = pictures[these]
        field = patches.whole(some, rows[these], columns[these], look.field)
        seen.append(field.reshape(*field.shape[:2], -1))
        _fill(values[these], some, rows[these], columns[these], look, field)
    every = np.concatenate(seen)
    flat = patches.not_flat(every.reshape(-1, every.shape[-1]), look.span).reshape(rows.shape)
    return Measured(features, values, flat, every)


def values(images: Floats, rows: Ints, columns: Ints, look: Look, wanted: Bools) -> Floats:
    """Return features at positions (N, S) of images (N, H, W, C), (N, S, F), and nothing else of `measure`.

    wanted: (F,) which of them; all of a kind are 0 where none is.
    """
    found, pictures = np.empty((*rows.shape, len(wanted)), np.float32), Pictures(images)
    _fill(found, pictures, rows, columns, look, None, wanted)
    return found


def templates(window: tuple[Axis, Axis], scale: int) -> list[tuple[Feature, Floats]]:
    """Return the linear features of a window with their weights (h, w) on brightness.

    Weights are 0 in sum but those of "level" and "side", which are means. Both signs are there: the fit takes
    positive weights only.
    """
    return _templates(window[0].size, window[1].size, scale)


@cache
def _templates(height: int, width: int, scale: int) -> list[tuple[Feature, Floats]]:
    window = (Along(height), Along(width))
    made: list[tuple[Feature, Floats]] = [(Feature("level", None, scale), np.ones((window[0].size, window[1].size)))]
    x, y = _coordinates(window, scale)
    bell = np.exp(-(x**2 + y**2) / (2 * _SIGMA**2))
    if x.size > 1:
        for angle in _directions(window):
            made.append((Feature("edge", angle, scale), _balanced(_along(x, y, angle) * bell)))
            made.append((Feature("side", angle, scale), np.where(_along(x, y, angle) > 0.1, 1.0, 0.0)))
    if min(window[0].size, window[1].size) > 2:
        made.append((Feature("dot", None, scale), _against(np.hypot(x, y) < 0.6, np.hypot(x, y) < 1.6)))
    for angle in _axes(window):
        across = abs(_along(x, y, angle + 90))
        made.append((Feature("bar", angle, scale), _against(across < 0.6, across < 1.6)))
    both = [(feature, weights / np.abs(weights).sum()) for feature, weights in made]
    opposite = [(replace(f, polarity=-1), -w) for f, w in both if f.kind != "edge"]  # whose opposite is another angle
    return both + opposite


def _features(look: Look) -> tuple[Feature, ...]:
    return tuple(feature for group in _groups(look) for feature in group)


@cache
def _groups(look: Look) -> list[list[Feature]]:
    """Return the features in groups that are measured together: by scale, then field, colours and places."""
    groups = []
    for scale in look.scales:
        window = look.window(scale)
        linear = [feature for feature, _ in templates(window, scale)]
        found = [*linear, *(replace(feature, rectified=True) for feature in linear if feature.kind not in _MEANS)]
        junctions = [feature for feature, _ in _junctions(window, scale)]
        found += junctions + [replace(feature, polarity=-1) for feature in junctions]
        found += [Feature("contrast", None, scale, 1), Feature("contrast", None, scale, -1)]
        groups.append([*found, Feature("outline", None, scale)])
    if _is_large(look):
        groups.append([Feature("field", None, None, 1), Feature("field", None, None, -1)])
    if look.colour:
        found = [
            Feature(kind, polarity=sign, rectified=form)
            for kind in ("red-green", "blue-yellow")
            for sign in (1, -1)
            for form in (False, True)
        ]
        groups.append([*found, *(Feature("saturation", polarity=sign) for sign in (1, -1))])
    return [*groups, [Feature(kind, polarity=sign) for kind in ("row", "column", "centre") for sign in (1, -1)]]


def _fill(
    into: Floats, pictures: Pictures, rows: Ints, columns: Ints, look: Look, field: Floats | None,
    wanted: Bools | None = None,
) -> None:  # fmt: skip
    """Write the features of some images into (n, S, F), in the order of `_features`.

    field: what positions see, None where that is worked out if it is needed. wanted: as of `values`.
    """

    def seen() -> Floats:
        nonlocal field
        field = patches.whole(pictures, rows, columns, look.field) if field is None else field
        return field

    def of_scale(scale: int) -> Floats:
        window = look.window(scale)
        patch = patches.gather(pictures.grey, rows, columns, window)[..., 0].astype(np.float32, copy=False)
        return _of_window(patch, window, scale)

    def of_field() -> Floats:
        level = seen().mean(axis=(2, 3, 4))
        return np.stack([level, -level], axis=-1)

    makers: list[Callable[[], Floats]] = [partial(of_scale, scale) for scale in look.scales]
    makers += [of_field] if _is_large(look) else []
    makers += [lambda: _colours(seen())] if look.colour else []
    makers.append(lambda: _places(rows, columns, look.map_shape))
    at = 0
    for group, make in zip(_groups(look), makers, strict=True):
        these = slice(at, at + len(group))
        into[..., these] = make() if wanted is None or wanted[these].any() else 0
        at += len(group)


def _of_window(patch: Floats, window: tuple[Along, Along], scale: int) -> Floats:
    """Return the features of a window's patches (n, S, h, w), (n, S, F)."""
    flat = patch.reshape(*patch.shape[:2], -1)
    made = templates(window, scale)
    linear = flat @ np.stack([weights.ravel() for _, weights in made], axis=1).astype(np.float32)
    kinds = np.array([feature.kind for feature, _ in made])
    rectified = np.maximum(linear[..., ~np.isin(kinds, _MEANS)], 0)
    junctions = [parts for _, parts in _junctions(window, scale)]
    spread = flat.std(axis=-1)
    others = [*(_standing_out(flat, junctions) if junctions else []), spread, -spread, _outline(linear, made)]
    return np.concatenate([linear, rectified, np.stack(others, axis=-1)], axis=-1)


def _outline(linear: Floats, made: Sequence[tuple[Feature, Floats]]) -> Floats:
    """Return the length of the gradient, from the edges along the two axes."""
    angles = {feature.angle: at for at, (feature, _) in enumerate(made) if feature.kind == "edge"}
    along = [linear[..., angles[angle]] for angle in (0, 90) if angle in angles]
    return np.sqrt(sum((value**2 for value in along), np.zeros(linear.shape[:-1], np.float32)))


def _junctions(window: tuple[Axis, Axis], scale: int) -> list[tuple[Feature, list[Bools]]]:
    """Return corners and ends of strokes, bright ones, with the part of a window that is their own and those about it.

    Only an "and" of parts tells them from edges and bars, see `_standing_out`.
    """
    return _junction_parts(window[0].size, window[1].size, scale)


@cache
def _junction_parts(height: int, width: int, scale: int) -> list[tuple[Feature, list[Bools]]]:
    if min(height, width) < 3:
        return []
    x, y = _coordinates((Along(height), Along(width)), scale)
    found = []
    for angle in range(_STEP, 360, 2 * _STEP):
        u, v = _along(x, y, angle - _STEP), _along(x, y, angle + _STEP)
        # the far parts of both sides, and what lies between: a slanting edge is half as bright there
        parts = [(u > -0.6) & (v > -0.6), (u < -0.6) & (v > 0.6), (u > 0.6) & (v < -0.6), (u < -0.6) & (v < -0.6)]
        found.append((Feature("corner", angle, scale, 1, True), parts))
    for angle in range(0, 360, _STEP):
        u, v = _along(x, y, angle), _along(x, y, angle + 90)
        parts = [(abs(v) < 0.6) & (u < 0.6), (u > 0.6) & (abs(v) < 1.6), (v > 0.6) & (u < 0.6), (v < -0.6) & (u < 0.6)]
        found.append((Feature("end", angle, scale, 1, True), parts))
    return found


def _standing_out(flat: Floats, parts: Sequence[Sequence[Bools]]) -> list[Floats]:
    """Return of each junction how much its own part is brighter than all others, then how much darker, (n, S) each.

    flat: patches (n, S, pixels). What is not brighter than the brightest of the others counts as 0.
    """
    weights = [part.ravel() / max(part.sum(), 1) for junction in parts for part in junction]
    means = iter(np.moveaxis(flat @ np.stack(weights, axis=1).astype(np.float32), -1, 0))
    brighter, darker = [], []
    for junction in parts:
        own, *others = (next(means) for _ in junction)
        brighter.append(np.maximum(own - reduce(np.maximum, others), 0))
        darker.append(np.maximum(reduce(np.minimum, others) - own, 0))
    return brighter + darker


def _colours(field: Floats) -> Floats:
    """Return the features of colour of what positions see, (n, S, h, w, 3), means over it."""
    red, green, blue = np.moveaxis(field.mean(axis=(2, 3)), -1, 0)
    found = []
    for opponent in (red - green, blue - (red + green) / 2):
        for signed in (opponent, -opponent):
            found += [signed, np.maximum(signed, 0)]
    saturation = np.ptp(field, axis=-1).mean(axis=(2, 3))
    return np.stack([*found, saturation, -saturation], axis=-1)


def _places(rows: Ints, columns: Ints, map_shape: tuple[int, int]) -> Floats:
    """Return where positions lie: downwards, to the right and near the centre, each from -1 to 1."""
    along = [2 * at / max(size - 1, 1) - 1 for at, size in zip((rows, columns), map_shape, strict=True)]
    centre = 1 - np.hypot(*along)
    signed = [sign * value for value in (*along, centre) for sign in (1, -1)]
    return np.stack(signed, axis=-1).astype(np.float32)


def _is_large(look: Look) -> bool:
    """Return whether the field is larger than the largest window that is used."""
    return any(axis.size > used.size for axis, used in zip(look.field, look.window(look.scales[-1]), strict=True))


def _coordinates(window: tuple[Axis, Axis], scale: int) -> tuple[Floats, Floats]:
    """Return x to the right and y upwards of the pixels of a window, in scales, 0 at its centre."""
    along = [(np.arange(axis.size) - (axis.size - 1) / 2) / scale for axis in window]
    y, x = np.meshgrid(-along[0], along[1], indexing="ij")
    return x, y


def _along(x: Floats, y: Floats, angle: int) -> Floats:
    return np.asarray(x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle)))


def _directions(window: tuple[Axis, Axis]) -> range:
    """Return the directions of edges: on a window of one row or column only those along it."""
    if window[0].size == 1:
        return range(0, 360, 180)
    return range(90, 360, 180) if window[1].size == 1 else range(0, 360, _STEP)


def _axes(window: tuple[Axis, Axis]) -> Sequence[int]:
    """Return the axes of bars: a window less than three pixels wide has none across it."""
    rows, columns = (axis.size > 2 for axis in window)
    if rows and columns:
        return range(0, 180, _STEP)
    return [0] if rows else [90] if columns else []


def _against(own: Bools, within: Bools) -> Floats:
    """Return the weights of the mean of one part of a window less the mean of what else lies within another."""
    others = within & ~own
    return np.asarray(own / max(own.sum(), 1) - others / max(others.sum(), 1))


def _balanced(weights: Floats) -> Floats:
    return np.asarray(weights - weights.mean())
