"""How to read the pictures of input images, in words: what an image is here, what a line and a plane of it show."""

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.format import count, number
from reportgen.i18n import Text, joined, ntext, text
from reportgen.record.pictures import Array, Pictures
from reportgen.render.pictures import input_images, series, volumes


@dataclass(frozen=True)
class Legend:
    """What is said about input images once for all.

    kind: "series", "picture" or "volume". what: what is called an image here. reading: how their pictures are to be
    read. colours: the values at the ends of the colour scale of those that are strips of colour. All are None for
    pictures, which need no words.
    """

    kind: str
    what: Text | None = None
    reading: Text | None = None
    colours: tuple[float, float] | None = None

    @property
    def low(self) -> float | None:
        """The value of the first colour."""
        return self.colours and self.colours[0]

    @property
    def high(self) -> float | None:
        """The value of the last colour."""
        return self.colours and self.colours[1]


_COLOURS = [text("blue"), text("orange"), text("green"), text("purple"), text("grey")]


def legend(pictures: Pictures, scale: input_images.Extent | None) -> Legend:
    """Return the legend of a report's images. scale: of series, see `input_images.scale_of`."""
    shape = pictures.examples.images.shape[1:]
    if scale is not None:
        return _of_series(shape[0], shape[1], scale)
    if len(shape) == input_images.VOLUME + 1:
        return _of_volumes(*shape)
    return Legend("picture")


def planes_seen(shown: Sequence[tuple[Array, list[int] | None]]) -> Text | None:
    """Return which plane each volume (D, H, W, C) is shown by, beside the patch in it; None for other images."""
    if not shown or shown[0][0].ndim != input_images.VOLUME + 1:
        return None
    depth = len(shown[0][0])
    numbers = joined(", ", [count(volumes.seen(patch, depth)) for _, patch in shown])
    return ntext(
        len(shown), "plane {planes} of {depth}", "planes {planes} of {depth}", planes=numbers, depth=count(depth)
    )


def _of_series(steps: int, channels: int, scale: input_images.Extent) -> Legend:
    as_strip = channels > series.MOST_LINES
    said = [_along(steps, channels)]
    if as_strip and (rows := series.rows_of_strip(channels)) < channels:
        said.append(text("{shown} of {all} channels shown, evenly spread.", shown=count(rows), all=count(channels)))
    if steps > input_images.FEWEST_COLUMNS:
        said.append(
            text("Where several steps share a column of the picture, it shows the value furthest from zero.")
            if as_strip
            else text(
                "Where several steps share a column of the picture, it reaches from their lowest to their highest."
            )
        )
    low, high = map(number, scale)
    if as_strip:
        said.append(text("One colour scale for all of them:"))
    elif scale[0] < 0 < scale[1]:
        said.append(
            text(
                "All are on one scale, from {low} at the bottom to {high} at the top; the grey line is zero.",
                low=low,
                high=high,
            )
        )
    else:
        said.append(text("All are on one scale, from {low} at the bottom to {high} at the top.", low=low, high=high))
    what = (
        ntext(steps, "An image is here a series of {n} value.", "An image is here a series of {n} values.")
        if channels == 1
        else text(
            "An image is here a series of {steps} with {channels}.",
            steps=ntext(steps, "{n} step", "{n} steps"),
            channels=ntext(channels, "{n} channel", "{n} channels"),
        )
    )
    return Legend("series", what, joined(" ", said), scale if as_strip else None)


def _along(steps: int, channels: int) -> Text:
    """Return what the axes of a chart are."""
    if channels > series.MOST_LINES:
        return text("A strip is a series, a row a channel, channel 0 at the top, its first step on the left.")
    if channels == 1 and steps <= series.FEW_STEPS:
        return text("A line is a series, with a dot for each value, the first on the left and the last on the right.")
    if channels == 1:
        return text("A line is a series, its first value on the left and its last on the right.")
    colours = [text("channel {number} {colour}", number=count(n), colour=_COLOURS[n]) for n in range(channels)]
    return text(
        "A chart is a series, a line a channel, its first step on the left and its last on the right: {colours}.",
        colours=joined(", ", colours),
    )


def _of_volumes(depth: int, height: int, width: int, channels: int) -> Legend:
    shown, (step, _) = volumes.planes(depth), input_images.enlargement(max(height, width))
    if len(shown) < depth:
        numbers = joined(", ", [count(plane) for plane in shown])
        said = [
            text(
                "Of each volume planes {planes} of {depth} are shown, numbered from 0.",
                planes=numbers,
                depth=count(depth),
            )
        ]
    else:
        said = [
            ntext(depth, "A volume has {n} plane.", "All {n} planes of each volume are shown, the first one first.")
        ]
    if step > 1:
        said.append(text("Of each plane one row and column in {step} is shown.", step=count(step)))
    if channels not in (1, 3):
        said.append(text("Of its {n} channels the first is shown.", n=count(channels)))
    size = text("{height} × {width}", height=count(height), width=count(width))
    planes = ntext(depth, "{n} plane", "{n} planes")
    what = (
        text("An image is here a volume of {planes} of {size} pixels.", planes=planes, size=size)
        if channels == 1
        else text(
            "An image is here a volume of {planes} of {size} pixels with {n} channels.",
            planes=planes,
            size=size,
            n=count(channels),
        )
    )
    return Legend("volume", what, joined(" ", said))
