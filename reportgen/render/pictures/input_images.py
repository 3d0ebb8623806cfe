"""Input images as pictures, alone, beside tiles, and with what a unit can see of them marked.

Pictures are shown as they are, series as lines or strips (`series`), volumes as planes side by side (`volumes`).
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reportgen.record.pictures import Pictures
from reportgen.render.pictures import series, volumes
from reportgen.render.pictures.mosaic import CLEAR, FRAME, Mosaic, Picture, Pixels

Images = NDArray[np.generic]
Extent = tuple[float, float]
"""The values at the bottom and at the top of all charts of series."""

SERIES, PICTURE, VOLUME = 1, 2, 3
"""The kinds of images, by how many axes they have besides that of their channels."""
ROOM = 72
"""About how many pixels of a page the longer side of a picture takes up."""
ALONE, BESIDE, ON_CARD = (200, 76), (120, 56), (220, 30)
"""Width and height of the chart of a series, in pixels of a page."""
FEWEST_COLUMNS = 2 * min(ALONE[0], BESIDE[0], ON_CARD[0])
"""How many columns of pixels the smallest chart of a series has."""
_LONGEST = 96
_SHADES = 63
_GAP = 4
_COLOURS = 96
"""Of an octree: as near to a photograph, and as many bytes, as 64 of a median cut, which takes six times as long."""
_THIN_LINE = 184
"""The grey of what sets crops apart from the page, which may be as white as they are."""


def kind(images: Images) -> int:
    """Return SERIES, PICTURE or VOLUME. images: (N, *space, C)."""
    return images.ndim - 2


def density(space: int) -> int:
    """Return the density of a `Mosaic` that has things with so many axes in it: lines need a finer one."""
    return 2 if space == SERIES else 1


def extent(batches: Sequence[Images]) -> Extent:
    """Return the lowest and the highest value of all images; (0, 0) where there are none. batches: (N, *space, C)."""
    shown = [batch for batch in batches if batch.size]
    if not shown:
        return 0.0, 0.0
    return float(min(batch.min() for batch in shown)), float(max(batch.max() for batch in shown))


def scale_of(pictures: Pictures) -> Extent | None:
    """Return the one scale of all series that a report shows; None where its images are no series."""
    if kind(pictures.examples.images) != SERIES:
        return None
    return extent([pictures.examples.images, pictures.worst, pictures.cards.images])


def images(stored: Images, scale: Extent | None = None) -> list[Picture]:
    """Return a picture of each image, (N, *space, C). scale: of series, by default their own."""
    if kind(stored) == SERIES:
        return [_charts([(one, None)], scale or extent([stored]), ALONE) for one in stored]
    if kind(stored) == VOLUME:
        shown = [as_bytes(_planes_of(one[np.newaxis]))[0] for one in stored]
        return [_grey_or_colour(_slices(planes, Mosaic())) for planes in shown]
    return [image(one) for one in stored]


def image(stored: Images) -> Picture:
    """Return one image (H, W, C) as a PNG of its own size, from its darkest to its brightest value."""
    return _grey_or_colour(as_bytes(stored[np.newaxis])[0])


def on_one_scale(stored: Sequence[Images]) -> list[Picture]:
    """Return a picture of each image (H, W, C), small and all from the darkest to the brightest value of them all."""
    step, _ = enlargement(max(stored[0].shape[:2]))
    return [painted_small(pixels) for pixels in as_bytes(np.stack(stored)[:, ::step, ::step])]


def beside(stored: Images, mosaic: Mosaic, scale: Extent | None = None) -> list[Pixels]:
    """Return each image (E, *space, C) as it stands beside its tiles, as `Mosaic.beside_inputs` takes it.

    Of a volume that is its middle plane.
    """
    if kind(stored) == SERIES:
        ends, (width, height) = scale or extent([stored]), (side * mosaic.density for side in BESIDE)
        charts = [series.chart(one, ends, width=width, height=height) for one in stored]
        if stored.shape[-1] == 1:  # which has no colour
            return [series.on_sheet(one) for one in charts]
        return [series.palette(stored.shape[-1])[one] for one in charts]
    if kind(stored) == VOLUME:
        return beside(stored[:, volumes.seen(None, stored.shape[1])], mosaic)
    step, factor = enlargement(max(stored.shape[1:3]))
    return [mosaic.zoomed(pixels[::step, ::step], factor, factor) for pixels in as_bytes(stored)]


def with_patches(shown: Sequence[tuple[Images, list[int] | None]], scale: Extent | None = None) -> Picture:
    """Paint images (*space, C), the first on the left or at the top, in each its patch marked if there is one."""
    space = shown[0][0].ndim - 1
    if space == SERIES:
        return _charts(shown, scale or extent([one[np.newaxis] for one, _ in shown]), ON_CARD)
    if space == VOLUME:
        return framed_images([_plane_seen(volume, patch) for volume, patch in shown])
    return framed_images(shown)


def framed_images(shown: Sequence[tuple[Images, list[int] | None]]) -> Picture:
    """Paint images (H, W, C) side by side, in each a frame around [top, left, bottom, right] if there is one.

    Of grey images in 63 greys, of others in as many colours as Pillow finds for them.
    """
    step, factor = enlargement(max(shown[0][0].shape[:2]))
    sheets, colours = _few_colours([as_bytes(stored[np.newaxis])[0][::step, ::step] for stored, _ in shown])
    palette = np.vstack([colours, (*FRAME, 255), CLEAR]).astype(np.uint8)
    painted = []
    for sheet, (_, patch) in zip(sheets, shown, strict=True):
        big = zoomed(sheet, factor)
        if patch is not None:
            _frame(big, [edge * factor // step for edge in patch], len(colours))
        painted.append(big)
    return Mosaic().picture(_in_line(painted, len(colours) + 1), palette)


def side_by_side(shown: Sequence[Pixels], zoom: int) -> Picture:
    """Return pictures, each (h, w, 1) in grey or (h, w, 3) in a few colours, in thin grey lines side by side.

    zoom: how many pixels of a page a pixel takes up.
    """
    sheets, colours = _few_colours(shown)
    palette = np.vstack([colours, (*[_THIN_LINE] * 3, 255), CLEAR]).astype(np.uint8)
    if shown[0].shape[2] == 1:  # which has a grey for the line
        line, palette = round(_THIN_LINE / 255 * (_SHADES - 1)), _framed_greys()
    else:
        line = len(colours)
    lined = np.pad(zoomed(np.stack(sheets), zoom), ((0, 0), (1, 1), (1, 1)), constant_values=line)
    return Mosaic().picture(_in_line(list(lined), len(palette) - 1), palette)


def painted_small(pixels: Pixels, zoom: int = 1, *, lined: bool = False) -> Picture:
    """Return pixels (H, W, 1) in grey, or (H, W, 3) in a few colours. zoom: as of `side_by_side`; lined: in a line."""
    if pixels.shape[2] == 3 and lined:
        return side_by_side([pixels], zoom)
    if pixels.shape[2] == 3:
        (sheet,), colours = _few_colours([pixels])
        return Mosaic().picture(zoomed(sheet, zoom), colours)
    big = zoomed(pixels[..., 0], zoom)[..., np.newaxis]
    return _grey_or_colour(np.pad(big, ((1, 1), (1, 1), (0, 0)), constant_values=_THIN_LINE) if lined else big)


def _in_line(sheets: Sequence[Pixels], filling: int) -> Pixels:
    """Return sheets of palette indices (h, w) side by side, `filling` between them."""
    return np.hstack([np.pad(one, ((0, 0), (0, _GAP)), constant_values=filling) for one in sheets])[:, :-_GAP]


def zoomed(sheets: Pixels, zoom: int) -> Pixels:
    """Return sheets (..., h, w) with each value `zoom` times in both directions: (..., zoom h, zoom w)."""
    return sheets.repeat(zoom, axis=-2).repeat(zoom, axis=-1)


def _few_colours(shown: Sequence[Pixels]) -> tuple[list[Pixels], Pixels]:
    """Return pictures, (h, w, 1) or (h, w, 3), each as high as the others, as palette indices (h, w), and the palette.

    That has 63 greys, or the colours that Pillow finds: before pictures are enlarged, since it takes its time a pixel.
    """
    if shown[0].shape[2] == 1:
        greys = [np.round(one[..., 0] / 255 * (_SHADES - 1)).astype(np.uint8) for one in shown]
        return greys, _framed_greys()[:_SHADES]
    few = Image.fromarray(np.hstack(shown)).quantize(
        _COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )
    colours = np.array(few.getpalette(), np.uint8).reshape(-1, 3)
    palette = np.pad(colours, ((0, 0), (0, 1)), constant_values=255)
    return np.split(np.asarray(few), np.cumsum([one.shape[1] for one in shown])[:-1], axis=1), palette


def as_bytes(stored: Images) -> Pixels:
    """Return stored images (N, *space, C) as uint8 with 1 or 3 channels, brightest value of all 255.

    Images of 2 or of 4 and more channels show their first one.
    """
    channels = stored if stored.shape[-1] in (1, 3) else stored[..., :1]
    if channels.dtype == np.uint8:
        return np.asarray(channels, np.uint8)
    values = channels.astype(np.float64)
    low, high = min(values.min(), 0.0), values.max()
    shades: Pixels = np.round((values - low) / (high - low or 1.0) * 255).astype(np.uint8)
    return shades


def enlargement(longest: int) -> tuple[int, int]:
    """Return which pixels of an input to keep, every n-th, and how often to repeat them.

    An input is shown about half as large again as a tile.
    """
    return -(-longest // _LONGEST), max(1, round(ROOM / longest))


def _grey_or_colour(pixels: Pixels) -> Picture:
    """Return pixels (H, W, 1) or (H, W, 3) as a picture."""
    return Mosaic().encoded(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def _charts(shown: Sequence[tuple[Images, list[int] | None]], scale: Extent, size: tuple[int, int]) -> Picture:
    """Paint series (L, C) below each other, each [left, right] marked."""
    mosaic = Mosaic(density(SERIES))
    width, height = (side * mosaic.density for side in size)
    charts = [series.chart(one, scale, width=width, height=height, patch=patch) for one, patch in shown]
    below = [np.pad(chart, ((0, mosaic.gap), (0, 0)), constant_values=0) for chart in charts]
    return mosaic.picture(np.vstack(below)[: -mosaic.gap], series.palette(shown[0][0].shape[-1]))


def _planes_of(stored: Images) -> Images:
    """Return the planes to show of volumes (N, D, H, W, C), of large ones every n-th row and column."""
    step, _ = enlargement(max(stored.shape[2:4]))
    return stored[:, volumes.planes(stored.shape[1])][:, :, ::step, ::step]


def _slices(planes: Pixels, mosaic: Mosaic) -> Pixels:
    """Return planes (D, H, W, C) side by side and as large as inputs are shown: (h, w, C)."""
    _, factor = enlargement(max(planes.shape[1:3]))
    large = np.moveaxis(np.stack([mosaic.zoomed(plane, factor, factor) for plane in planes]), -1, 0)
    return np.moveaxis(volumes.side_by_side(large, mosaic.gap, 255), 0, -1)


def _plane_seen(volume: Images, patch: list[int] | None) -> tuple[Images, list[int] | None]:
    """Return the plane (H, W, C) in the middle of a patch, and the patch in it."""
    plane = volume[volumes.seen(patch, len(volume))]
    return plane, None if patch is None else [patch[1], patch[2], patch[4], patch[5]]


def _frame(picture: Pixels, edges: list[int], colour: int | tuple[int, int, int]) -> None:
    """Draw a frame just outside of a patch, so that nothing of it is hidden, as far as the picture goes."""
    top, left, bottom, right = edges
    kept = picture[top:bottom, left:right].copy()
    picture[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2] = colour
    picture[top:bottom, left:right] = kept


@cache
def _framed_greys() -> Pixels:
    """Return the palette of framed grey images: greys from black to white, the frame's colour, and nothing."""
    greys = np.repeat(np.round(np.linspace(0, 255, _SHADES))[:, np.newaxis], 4, axis=1)
    greys[:, 3] = 255
    return np.vstack([greys, (*FRAME, 255), CLEAR]).astype(np.uint8)
