"""The grids of tiles, looked at pixel by pixel."""

import dataclasses
import io
from typing import Any

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reportgen.record.pictures import Maps, Strips
from reportgen.render.pictures import input_images, tiles
from reportgen.render.pictures.mosaic import NEGATIVE, POSITIVE, Grid, Picture, opaque
from tests.helpers.builders import make_kernels

Pixels = NDArray[np.uint8]
WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)
LINE = (184, 184, 184)
A4 = 1.45  # height by width of a sheet, a little more than 297 by 210
STEPS = 173  # of 256 palette entries, 83 are paper, lines, panels, ink and greys
GREY_INPUTS = np.full((8, 8, 8, 1), 255, np.uint8)


def decoded(picture: Picture) -> Pixels:
    """Return a picture's pixels on white as (height, width, 3), its size checked."""
    with Image.open(io.BytesIO(opaque(picture.png))) as opened:
        assert opened.format == "PNG"
        assert opened.size == (picture.width, picture.height)
        return np.asarray(opened.convert("RGB"))


def colours(pixels: Pixels) -> set[tuple[int, ...]]:
    return {tuple(map(int, colour)) for colour in np.unique(pixels.reshape(-1, 3), axis=0)}


def is_colour(pixels: Pixels, colour: tuple[int, ...]) -> NDArray[np.bool_]:
    return (pixels == np.array(colour, np.uint8)).all(axis=-1)


def scale_colours(grid: Grid) -> list[tuple[int, ...]]:
    """Return the colours of the scale, lowest value first: around zero for kernels, else upwards."""
    if grid.low != -grid.high:
        shades = matplotlib.colormaps["viridis"](np.linspace(0, 1, STEPS))[:, :3]
        return [tuple(map(int, colour)) for colour in np.round(shades * 255)]
    cover = np.round(np.abs(np.linspace(-1, 1, STEPS)) * 255)[:, np.newaxis] / 255
    full = np.where(np.arange(STEPS)[:, np.newaxis] < STEPS // 2, NEGATIVE, POSITIVE)
    return [tuple(map(int, colour)) for colour in np.round(255 + cover * (full - 255.0))]


def boxes(mask: NDArray[np.bool_], reach: int = 1) -> list[tuple[slice, slice]]:
    """Return the boxes around connected areas of a mask, in reading order; gaps below `reach` join."""
    boxes = []
    for top, bottom in _runs(mask.any(axis=1), reach):
        for left, right in _runs(mask[top:bottom].any(axis=0), reach):
            boxes.append((slice(top, bottom), slice(left, right)))
    return boxes


def _runs(flags: NDArray[np.bool_], reach: int) -> list[tuple[int, int]]:
    """Return begin and end of every run of True; gaps shorter than `reach` do not end one."""
    runs: list[tuple[int, int]] = []
    for n in np.flatnonzero(flags).tolist():
        if runs and n - runs[-1][1] < reach:
            runs[-1] = (runs[-1][0], n + 1)
        else:
            runs.append((n, n + 1))
    return runs


def shows_values(pixels: Pixels, grid: Grid) -> NDArray[np.bool_]:
    """Tell which pixels have a colour of the grid's scale."""
    return np.isin(_as_numbers(pixels), _as_numbers(np.array(scale_colours(grid), np.uint8)))


def _as_numbers(pixels: Pixels) -> NDArray[np.int64]:
    return pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])


def painted_tiles(grid: Grid) -> list[Pixels]:
    """Return every tile that shows values, in reading order."""
    return [tile for picture in grid.pictures for tile in _tiles_of(decoded(picture), grid)]


def _tiles_of(pixels: Pixels, grid: Grid) -> list[Pixels]:
    if grid.low == -grid.high:  # a weight of zero is as white as paper, so what counts is the frame
        return [pixels[box][1:-1, 1:-1] for box in boxes(is_colour(pixels, LINE))]
    return [pixels[box] for box in boxes(shows_values(pixels, grid))]


def left_of_tiles(grid: Grid) -> Pixels:
    """Return the part of the first picture where the input images are."""
    pixels = decoded(grid.pictures[0])
    return pixels[:, : boxes(shows_values(pixels, grid))[0][1].start]


def is_ink(pixels: Pixels) -> NDArray[np.bool_]:
    """Tell which pixels are grey, as numbers are; input images must be plain white."""
    return (pixels == pixels[..., :1]).all(axis=-1) & ~is_colour(pixels, WHITE) & ~is_colour(pixels, LINE)


def numbers(pixels: Pixels) -> list[NDArray[np.uint8]]:
    """Return every number in reading order as an array (height, width) of greys."""
    return [pixels[box][..., 0] for box in boxes(is_ink(pixels), reach=4)]


def maps_of(values: Any) -> Maps:
    """Return the maps of a layer. values: (E, h, w, U)."""
    values = np.asarray(values, np.float32)
    return Maps("conv", values.shape[-1], 1, values)


def flat_maps(*levels: float, examples: int = 1, side: int = 4) -> Maps:
    """Return maps of which unit u has the value levels[u] everywhere."""
    return maps_of(np.broadcast_to(np.array(levels), (examples, side, side, len(levels))))


def strips_of(values: Any, *, is_output: bool = False) -> Strips:
    values = np.asarray(values, np.float32)
    return Strips("dense", values.shape[-1], is_output, values)


# What is on a picture


@pytest.mark.parametrize("units", [1, 2, 8, 9, 16, 17, 64])
def test_every_unit_of_a_map_has_its_own_tile(units: int) -> None:
    grid = tiles.maps_grid(flat_maps(*range(1, units + 1)), GREY_INPUTS[:1])
    shown = painted_tiles(grid)
    assert len(shown) == units == grid.tiles
    assert len({colour for tile in shown for colour in colours(tile)}) == units


@pytest.mark.parametrize("units", [1, 10, 16, 17, 64])
def test_every_neuron_of_a_dense_layer_has_its_own_tile(units: int) -> None:
    grid = tiles.strips_grid(strips_of([range(1, units + 1)]), GREY_INPUTS[:1])
    assert len(painted_tiles(grid)) == units == grid.tiles


@pytest.mark.parametrize("units", [1, 8, 9, 64])
def test_every_kernel_of_a_layer_on_grey_images_has_its_own_tile(units: int) -> None:
    weights = np.arange(1, units + 1).reshape(-1, 1, 1, 1) * np.ones((1, 1, 3, 3))
    grid = tiles.kernels_grid(make_kernels(weights))
    assert len(painted_tiles(grid)) == units == grid.tiles


def test_every_input_channel_of_a_kernel_has_its_own_tile() -> None:
    weights = np.arange(1, 25).reshape(3, 8, 1, 1) * np.ones((1, 1, 3, 3))
    grid = tiles.kernels_grid(make_kernels(weights))
    assert len(painted_tiles(grid)) == 24 == grid.tiles


@pytest.mark.parametrize("shape", [(1, 3), (1, 7), (3, 1), (7, 1), (1, 1), (2, 2), (5, 5), (11, 11)])
def test_kernels_of_any_shape_can_be_painted(shape: tuple[int, int]) -> None:
    shown = painted_tiles(tiles.kernels_grid(make_kernels(np.ones((2, 4, *shape)))))
    assert len(shown) == 8
    assert all(tile.shape[0] * shape[1] == tile.shape[1] * shape[0] for tile in shown)


def levels_of(tile: Pixels, rows: int, columns: int, scale: list[tuple[int, ...]]) -> list[list[int]]:
    """Return which colour of the scale each value of a tile has, the same all over its square."""
    down, right = tile.shape[0] // rows, tile.shape[1] // columns
    small = tile[::down, ::right]
    assert np.array_equal(small.repeat(down, axis=0).repeat(right, axis=1), tile)
    return [[scale.index(tuple(map(int, colour))) for colour in row] for row in small]


def test_values_keep_their_places_in_a_map() -> None:
    grid = tiles.maps_grid(maps_of(np.arange(13)[1:].reshape(1, 3, 4, 1)), GREY_INPUTS[:1])
    (tile,) = painted_tiles(grid)
    expected = [[round((STEPS - 1) * value / 12) for value in row] for row in np.arange(1, 13).reshape(3, 4).tolist()]
    assert levels_of(tile, 3, 4, scale_colours(grid)) == expected


@pytest.mark.parametrize("inputs", [1, 2])
def test_weights_keep_their_places_in_a_kernel(inputs: int) -> None:
    weights = np.array([[-3, -2, -1], [1, 2, 3]]) * np.ones((1, inputs, 1, 1))
    grid = tiles.kernels_grid(make_kernels(weights))
    for tile in painted_tiles(grid):
        assert levels_of(tile, 2, 3, scale_colours(grid)) == [[0, 29, 57], [115, 143, 172]]


@pytest.fixture(scope="module")
def shown_numbers() -> list[NDArray[np.uint8]]:
    """The numbers above 64 tiles."""
    return numbers(decoded(tiles.maps_grid(flat_maps(*range(1, 65)), GREY_INPUTS[:1]).pictures[0]))


def test_every_tile_has_another_number_above_it(shown_numbers: list[NDArray[np.uint8]]) -> None:
    assert len(shown_numbers) == 64
    assert len({(number.shape, number.tobytes()) for number in shown_numbers}) == 64


@pytest.mark.parametrize("unit", range(10, 64))
def test_a_number_of_two_digits_begins_with_its_first_and_ends_with_its_last(
    shown_numbers: list[NDArray[np.uint8]], unit: int
) -> None:
    number = shown_numbers[unit]
    assert most_like(number[:, : number.shape[1] // 2], shown_numbers[:10]) == unit // 10
    assert most_like(number[:, number.shape[1] // 2 :], shown_numbers[:10]) == unit % 10


def most_like(part: NDArray[np.uint8], digits: list[NDArray[np.uint8]]) -> int:
    """Return which of the digits differs least from a part of a number, wherever in the part it is."""

    def difference(digit: NDArray[np.uint8]) -> float:
        canvas = np.full((20, 40), 255.0)
        canvas[4 : 4 + part.shape[0], 14 : 14 + part.shape[1]] = part
        best = np.inf
        for top in range(3, 6):
            for left in range(10, 22):
                drawn = np.full((20, 40), 255.0)
                drawn[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
                best = min(best, np.abs(canvas - drawn).sum())
        return best

    return int(np.argmin([difference(digit) for digit in digits]))


def test_kernels_are_numbered_as_their_maps_are(shown_numbers: list[NDArray[np.uint8]]) -> None:
    (picture,) = tiles.kernels_grid(make_kernels(np.ones((16, 1, 3, 3)))).pictures
    assert list(map(np.array_equal, numbers(decoded(picture)), shown_numbers)) == [True] * 16


def test_a_kernel_of_many_channels_has_its_units_number_before_its_line(
    shown_numbers: list[NDArray[np.uint8]],
) -> None:
    pictures = tiles.kernels_grid(make_kernels(np.ones((10, 2, 3, 3)))).pictures
    shown = [number for picture in pictures for number in numbers(decoded(picture))]
    large = [number for number in shown if number.shape[0] > shown_numbers[0].shape[0] + 2]

    def alike(number: NDArray[np.uint8]) -> NDArray[np.int64]:
        width = round(20 * number.shape[1] / number.shape[0])
        canvas = np.full((20, 30), 255)
        left = (30 - width) // 2
        canvas[:, left : left + width] = Image.fromarray(number).resize((width, 20))
        return canvas

    small = [alike(number) for number in shown_numbers[:10]]
    read = [int(np.argmin([np.abs(alike(number) - digit).sum() for digit in small])) for number in large]
    assert read == list(range(10))


def test_a_number_is_right_above_the_left_edge_of_its_tile() -> None:
    grid = tiles.maps_grid(flat_maps(*range(1, 33)), GREY_INPUTS[:1])
    pixels = decoded(grid.pictures[0])
    for number, tile in zip(boxes(is_ink(pixels), reach=4), boxes(shows_values(pixels, grid)), strict=True):
        assert 0 < tile[0].start - number[0].stop < 8
        assert abs(tile[1].start - number[1].start) <= 2


def test_kernels_on_many_channels_show_the_channels_numbers_and_the_units_number() -> None:
    weights = np.ones((2, 3, 3, 3))
    channels = [[7, 0, 12], [12, 7, 0]]
    (picture,) = tiles.kernels_grid(make_kernels(weights, channels=channels)).pictures
    shown = sorted(numbers(decoded(picture)), key=lambda number: number.shape[0])
    small, large = [number.tobytes() for number in shown[:6]], [number.tobytes() for number in shown[6:]]
    assert small[3:] == [small[2], small[0], small[1]]
    assert len(set(small)) == 3
    assert len(set(large)) == len(large) == 2, "one number for each unit"
    assert shown[5].shape[0] < shown[6].shape[0], "a unit's number is larger than a channel's"


# The colour scale


def test_equal_values_in_two_units_have_the_same_colour() -> None:
    first, second, third = painted_tiles(tiles.maps_grid(flat_maps(0.5, 2.0, 0.5), GREY_INPUTS[:1]))
    assert colours(first) == colours(third) != colours(second)


def test_equal_values_in_two_examples_have_the_same_colour() -> None:
    grid = tiles.strips_grid(strips_of([[0.25, 1.0], [0.5, 0.25]]), GREY_INPUTS[:2])
    first, _, _, last = painted_tiles(grid)
    assert colours(first) == colours(last)


def test_the_largest_value_has_the_last_colour_of_the_scale() -> None:
    grid = tiles.maps_grid(flat_maps(1.0, 3.0), GREY_INPUTS[:1])
    assert colours(painted_tiles(grid)[1]) == {scale_colours(grid)[-1]}


def test_zero_has_the_first_colour_where_no_value_is_negative() -> None:
    values = np.zeros((1, 2, 2, 1))
    values[0, 0, 0] = 4
    grid = tiles.maps_grid(maps_of(values), GREY_INPUTS[:1])
    (tile,) = painted_tiles(grid)
    assert colours(tile) == {scale_colours(grid)[0], scale_colours(grid)[-1]}


@pytest.mark.parametrize(("levels", "low", "high"), [((1.0, 3.0), 0, 3), ((-2.0, 3.0), -2, 3), ((-3.0, -1.0), -3, -1)])
def test_the_ends_of_the_scale_are_the_lowest_and_the_highest_value(
    levels: tuple[float, ...], low: float, high: float
) -> None:
    grid = tiles.maps_grid(flat_maps(*levels), GREY_INPUTS[:1])
    assert (grid.low, grid.high) == (low, high)
    darkest, brightest = painted_tiles(grid)
    assert colours(brightest) == {scale_colours(grid)[-1]}
    assert colours(darkest) != colours(brightest)


@pytest.mark.parametrize("limit", [1.0, 0.1, 1 / 3, 7e-5, 1e30])
@pytest.mark.parametrize("inputs", [1, 4])
def test_a_weight_of_zero_has_the_middle_colour_of_the_scale(limit: float, inputs: int) -> None:
    weights = np.zeros((3, inputs, 3, 3))
    weights[0], weights[2] = limit, -limit
    grid = tiles.kernels_grid(make_kernels(weights))
    scale = scale_colours(grid)
    assert len(scale) % 2 == 1
    assert scale[len(scale) // 2] == WHITE
    assert [colours(tile) for tile in painted_tiles(grid)] == [
        {colour} for colour in (scale[-1], scale[len(scale) // 2], scale[0]) for _ in range(inputs)
    ]


def test_the_scale_of_kernels_is_lightest_at_zero_and_darker_to_both_sides() -> None:
    grid = tiles.kernels_grid(make_kernels(np.ones((1, 1, 3, 3))))
    light = np.array(scale_colours(grid)).sum(axis=1)
    middle = len(light) // 2
    assert light.argmax() in range(middle - 1, middle + 2)
    assert (np.diff(light[: middle + 1 : 17]) > 0).all()
    assert (np.diff(light[middle::17]) < 0).all()


def test_kernels_that_are_zero_everywhere_have_the_middle_colour() -> None:
    grid = tiles.kernels_grid(make_kernels(np.zeros((2, 1, 3, 3))))
    assert [colours(tile) for tile in painted_tiles(grid)] == [{WHITE}] * 2


@pytest.mark.parametrize("largest", [2.0, 4.0])
def test_the_scale_of_kernels_ends_at_the_largest_weight_of_the_layer_shown_or_not(largest: float) -> None:
    shown = make_kernels(np.full((2, 1, 3, 3), 2))
    grid = tiles.kernels_grid(dataclasses.replace(shown, units=100, largest=largest))
    assert (grid.low, grid.high) == (-largest, largest)
    assert (colours(painted_tiles(grid)[0]) == {scale_colours(grid)[-1]}) == (largest == 2.0)


@pytest.mark.parametrize("kind", ["maps", "kernels"])
def test_a_scale_has_fine_steps_and_none_is_the_colour_of_paper_numbers_or_lines(kind: str) -> None:
    grid = (
        tiles.kernels_grid(make_kernels(np.ones((1, 1, 3, 3))))
        if kind == "kernels"
        else tiles.maps_grid(flat_maps(1.0), GREY_INPUTS[:1])
    )
    scale = scale_colours(grid)
    assert len(set(scale)) > 170
    assert all(one != other for one, other in zip(scale[::2], scale[2::2], strict=False))
    grey = [colour for colour in scale if len(set(colour)) == 1]
    assert grey == ([WHITE] if kind == "kernels" else []), "greys are for numbers and input images"


# Units that say nothing


def test_a_tile_of_zeros_is_hatched_and_counted_as_silent() -> None:
    grid = tiles.maps_grid(flat_maps(0, 1, 0, 1), GREY_INPUTS[:1])
    assert (grid.silent, grid.tiles) == (2, 4)
    assert len(painted_tiles(grid)) == 2
    hatched = boxes(is_colour(decoded(grid.pictures[0]), LINE), reach=10)
    assert len(hatched) == 2


def test_a_hatched_tile_is_as_large_as_a_painted_one() -> None:
    grid = tiles.maps_grid(flat_maps(0, 1), GREY_INPUTS[:1])
    (box,) = boxes(is_colour(decoded(grid.pictures[0]), LINE), reach=10)
    (tile,) = painted_tiles(grid)
    assert (box[0].stop - box[0].start, box[1].stop - box[1].start) == tile.shape[:2]


def test_one_value_that_is_not_zero_keeps_a_tile_from_being_hatched() -> None:
    values = np.zeros((1, 4, 4, 1))
    values[0, 3, 3] = 1e-30
    grid = tiles.maps_grid(maps_of(values), GREY_INPUTS[:1])
    assert grid.silent == 0
    assert not is_colour(decoded(grid.pictures[0]), LINE).any()


def test_silence_is_counted_for_every_example() -> None:
    grid = tiles.strips_grid(strips_of([[0, 1, 2], [0, 0, 2]]), GREY_INPUTS[:2])
    assert (grid.silent, grid.tiles) == (3, 6)


def test_a_layer_that_is_silent_altogether_can_be_painted() -> None:
    grid = tiles.maps_grid(flat_maps(0, 0, 0), GREY_INPUTS[:1])
    assert (grid.silent, grid.low, grid.high) == (3, 0, 0)


def test_a_weight_of_zero_is_no_silence() -> None:
    grid = tiles.kernels_grid(make_kernels(np.zeros((2, 1, 3, 3))))
    assert grid.silent == 0


# The input images


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32", "bool"])
def test_the_input_is_left_of_its_tiles_in_grey(dtype: str) -> None:
    striped = np.zeros((1, 8, 8, 1), dtype)
    striped[:, :, 3:5] = np.iinfo(dtype).max if dtype.startswith("u") else 1
    pixels = left_of_tiles(tiles.maps_grid(flat_maps(1.0), striped))
    assert colours(pixels) == {BLACK, WHITE}
    first, last = boxes(is_colour(pixels, BLACK))
    height, width = first[0].stop - first[0].start, last[1].stop - first[1].start
    assert height == width >= 48
    assert first[1].stop - first[1].start == last[1].stop - last[1].start == 3 * width // 8


def test_an_input_in_colour_keeps_its_colours() -> None:
    images = np.zeros((1, 4, 4, 3), np.uint8)
    images[..., :2, :] = (255, 0, 10)
    images[..., 2:, :] = (3, 200, 77)
    shown = colours(decoded(tiles.maps_grid(flat_maps(1.0), images).pictures[0]))
    assert {(255, 0, 10), (3, 200, 77)} <= shown


def test_tiles_beside_an_input_in_colour_have_the_same_colours_as_beside_a_grey_one() -> None:
    maps = flat_maps(0.0, 1.0, 2.5, -1.0)
    beside_grey, beside_colour = (
        painted_tiles(tiles.maps_grid(maps, np.full((1, 8, 8, channels), 255, np.uint8))) for channels in (1, 3)
    )
    assert [colours(tile) for tile in beside_grey] == [colours(tile) for tile in beside_colour]


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_images_of_an_unusual_number_of_channels_show_their_first(channels: int) -> None:
    images = np.zeros((1, 4, 4, channels), np.uint8)
    images[..., 0] = 255
    assert colours(decoded(input_images.image(images[0]))) == {WHITE}


def test_dim_images_beside_bright_ones_stay_dim() -> None:
    images = np.zeros((2, 4, 4, 1), np.float32)
    images[0], images[1] = 0.5, 1.0
    pixels = left_of_tiles(tiles.maps_grid(flat_maps(1.0, examples=2), images))
    ((grey, _, _),) = colours(pixels) - {WHITE, LINE}
    assert 120 < grey < 135


# One image


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_of_bytes_is_shown_as_it_is(channels: int) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    assert np.array_equal(decoded(input_images.image(stored)), np.broadcast_to(stored, (5, 7, 3)))


@pytest.mark.parametrize("size", [(1, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_of_one_line_keeps_its_size(size: tuple[int, int], channels: int) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)
    assert np.array_equal(decoded(input_images.image(stored)), np.broadcast_to(stored, (*size, 3)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([-1.0, 0.0, 1.0], [0, 128, 255]), ([0, 8, 16], [0, 128, 255])],
)
def test_other_numbers_run_from_black_to_white(values: list[float], expected: list[int]) -> None:
    stored = np.array(values).reshape(1, 3, 1).repeat(2, axis=0)
    assert decoded(input_images.image(stored))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint16", "bool"])
def test_an_image_of_zeros_is_black(dtype: str) -> None:
    assert colours(decoded(input_images.image(np.zeros((4, 4, 1), dtype)))) == {BLACK}


# Kernels in colour


def areas(pixels: Pixels, colour: tuple[int, ...]) -> list[Pixels]:
    """Return the areas that are filled with one colour, pixels of numbers left out."""
    found = [pixels[box] for box in boxes(is_colour(pixels, colour))]
    return [area for area in found if area.size > 100 and is_colour(area, colour).all()]


def test_kernels_on_colour_images_are_shown_in_colour_and_zero_is_grey() -> None:
    weights = np.zeros((3, 3, 3, 3))
    weights[0], weights[1, 2] = np.array([1, -1, 0.5]).reshape(3, 1, 1), -1
    pixels = decoded(tiles.colour_kernels(make_kernels(weights, on_colour=True)))
    sizes = {area.shape for colour in ((255, 0, 191), (128, 128, 0), GREY) for area in areas(pixels, colour)}
    assert [len(areas(pixels, colour)) for colour in ((255, 0, 191), (128, 128, 0), GREY)] == [1, 1, 1]
    assert len(sizes) == 1


def test_weights_keep_their_places_in_a_colour_kernel() -> None:
    weights = np.zeros((1, 3, 2, 2))
    weights[0, 0, 0, 1], weights[0, 2, 1, 0] = 1, 1
    pixels = decoded(tiles.colour_kernels(make_kernels(weights, on_colour=True)))
    ((red_rows, red_columns),) = boxes(is_colour(pixels, (255, 128, 128)))
    ((blue_rows, blue_columns),) = boxes(is_colour(pixels, (128, 128, 255)))
    assert red_rows.stop == blue_rows.start, "row 0 is above row 1"
    assert blue_columns.stop == red_columns.start, "column 0 is left of column 1"


def test_kernels_on_colour_images_are_numbered() -> None:
    weights = np.ones((12, 3, 3, 3))
    weights[:, 0] = -1
    shown = numbers(decoded(tiles.colour_kernels(make_kernels(weights, on_colour=True))))
    assert len({(number.shape, number.tobytes()) for number in shown}) == len(shown) == 12


def test_colour_kernels_of_zeros_are_grey() -> None:
    picture = tiles.colour_kernels(make_kernels(np.zeros((2, 3, 3, 3)), on_colour=True))
    assert len(areas(decoded(picture), GREY)) == 2


# Pictures that fit on paper


@pytest.mark.parametrize(("units", "examples", "pictures"), [(64, 1, 1), (64, 3, 1), (64, 5, 2), (8, 5, 1)])
def test_examples_are_split_over_several_pictures_when_they_are_tall(units: int, examples: int, pictures: int) -> None:
    maps = flat_maps(*range(1, units + 1), examples=examples)
    grid = tiles.maps_grid(maps, GREY_INPUTS[:examples])
    assert len(grid.pictures) == pictures
    assert len(painted_tiles(grid)) == units * examples


@pytest.mark.parametrize("units", [1, 3, 8, 16, 17, 64])
def test_no_picture_of_more_than_one_example_is_much_taller_than_wide(units: int) -> None:
    maps = flat_maps(*range(1, units + 1), examples=8)
    for picture in tiles.maps_grid(maps, GREY_INPUTS).pictures:
        assert picture.height <= A4 * picture.width


def test_many_kernels_are_split_over_several_pictures_without_losing_one() -> None:
    grid = tiles.kernels_grid(make_kernels(np.ones((64, 8, 3, 3))))
    assert len(grid.pictures) > 1
    assert len(painted_tiles(grid)) == 64 * 8
    assert all(picture.height <= A4 * picture.width for picture in grid.pictures)


# The same input, the same bytes


@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_arrays_give_the_same_bytes(channels: int) -> None:
    generator = np.random.default_rng(1)
    maps = maps_of(generator.standard_normal((2, 5, 5, 4)))
    inputs = generator.integers(0, 256, (2, 8, 8, channels), dtype=np.uint8)
    assert tiles.maps_grid(maps, inputs) == tiles.maps_grid(maps, inputs)


def test_painting_leaves_the_arrays_as_they_were() -> None:
    maps, inputs = flat_maps(0.0, 1.0), GREY_INPUTS[:1].copy()
    kernels = make_kernels(np.ones((2, 1, 3, 3)))
    before = [array.copy() for array in (maps.values, inputs, kernels.weights)]
    tiles.maps_grid(maps, inputs)
    tiles.kernels_grid(kernels)
    assert all(map(np.array_equal, before, (maps.values, inputs, kernels.weights)))
