"""Series and volumes: shown as lines and slices, in words that are true for them, at any length and size."""

import base64
import dataclasses
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reportgen.format import number
from reportgen.record.evaluation import Mistake
from reportgen.record.model import LayerRow
from reportgen.record.pictures import Cards, Examples, Kernels, Maps, Strips
from reportgen.record.run import Record
from reportgen.record.units import TopImage
from reportgen.render.page import legends
from reportgen.render.pictures import input_images, series, tiles
from reportgen.render.pictures.mosaic import FRAME, NEGATIVE, POSITIVE, Grid, Picture, opaque, sequential
from tests.helpers.builders import make_kernels, make_pictures, make_record, make_scores, make_unit, make_verdict
from tests.render.page.test_page import html, text_of, tree
from tests.render.pdf.test_pdf import assert_well_made, made

Pixels = NDArray[np.uint8]


def decoded(picture: Picture) -> Pixels:
    """Return a picture's pixels on white as (height, width, 3); those of a fine one are half as large on a page."""
    with Image.open(io.BytesIO(opaque(picture.png))) as opened:
        times = 2 if picture.fine else 1
        assert opened.size == (times * picture.width, times * picture.height)
        return np.asarray(opened.convert("RGB"))


def is_colour(pixels: Pixels, colour: tuple[int, ...]) -> NDArray[np.bool_]:
    return (pixels == np.array(colour, np.uint8)).all(axis=-1)


# Outputs along one axis


def area(values: Any, low: float = 0.0, high: float = 1.0, *, width: int = 40, height: int = 20) -> NDArray[np.bool_]:
    """Return where the area of an output (L,) is filled."""
    return series.areas(np.array(values, np.float32), low, high, width=width, height=height) == series._AREA


def test_an_output_is_as_high_as_its_values_and_each_position_as_wide_as_the_others() -> None:
    filled = area([0.25, 1.0, 0.0, 0.5])
    assert filled.sum(axis=0).tolist() == [5] * 10 + [20] * 10 + [0] * 10 + [10] * 10
    assert filled[-1].tolist() == [True] * 20 + [False] * 10 + [True] * 10


def test_what_is_below_zero_hangs_from_the_line_of_zero() -> None:
    filled = area([1.0, -1.0], -1.0, 1.0)
    assert np.flatnonzero(filled[:, 0]).tolist() == list(range(10))
    assert np.flatnonzero(filled[:, -1]).tolist() == list(range(10, 20))


@pytest.mark.parametrize(("value", "low", "high"), [(1e-6, 0.0, 1.0), (-1e-6, -1.0, 1.0), (-1e-6, -1.0, 0.0)])
def test_a_value_that_is_not_zero_can_be_seen(value: float, low: float, high: float) -> None:
    assert area([value], low, high).any()
    assert not area([0.0], low, high).any()


def test_one_peak_among_ten_thousand_positions_stays_as_high_as_it_is() -> None:
    values = np.zeros(10_000)
    values[6_000] = 1.0
    filled = area(values, width=176)
    assert filled.all(axis=0).sum() == 1
    assert filled.all(axis=0).argmax() == 6_000 * 176 // 10_000


def grid_of(values: Any, inputs: Any = None, step: int = 1) -> Grid:
    values = np.asarray(values, np.float32)
    inputs = np.zeros((len(values), 8, 1), np.float32) if inputs is None else inputs
    return tiles.maps_grid(Maps("conv1d", values.shape[-1], step, values), inputs)


@pytest.mark.parametrize("units", [1, 7, 8, 9, 64])
@pytest.mark.parametrize("steps", [1, 2, 30, 256])
def test_every_unit_has_a_tile_whatever_the_length(units: int, steps: int) -> None:
    grid = grid_of(np.ones((2, steps, units)))
    assert (grid.tiles, grid.silent, grid.low, grid.high) == (2 * units, 0, 0, 1)
    colour = tuple(sequential()[series._AREA, :3].tolist())
    filled = [is_colour(decoded(picture), colour) for picture in grid.pictures]
    assert sum(int(part.sum()) for part in filled) == 2 * units * 176 * 60


def test_the_scale_of_outputs_that_are_all_negative_ends_at_zero() -> None:
    grid = grid_of(np.full((1, 5, 1), -2.0))
    assert (grid.low, grid.high) == (-2, 0)


def test_an_output_that_is_silent_along_all_its_positions_is_hatched() -> None:
    values = np.zeros((1, 6, 3))
    values[0, 5, 1] = 1
    grid = grid_of(values)
    assert (grid.tiles, grid.silent) == (3, 2)


INPUTS = [(16, 1), (16, 3), (16, 9), (8, 8, 1), (8, 8, 3), (4, 8, 8, 1), (4, 8, 8, 3), (1, 1)]
OUTPUTS: list[tuple[int, ...]] = [(), (1,), (9,), (6, 6), (1, 1), (3, 6, 6), (1, 1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "space"),
    [(inputs, OUTPUTS[(n + shift) % len(OUTPUTS)]) for n, inputs in enumerate(INPUTS) for shift in (0, 2, 5)],
)
def test_outputs_of_any_kind_stand_beside_inputs_of_any_kind(inputs: tuple[int, ...], space: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *inputs), dtype=np.uint8)
    values = np.random.default_rng(1).random((2, *space, 20), np.float32)
    if space:
        grid = tiles.maps_grid(Maps("layer", 20, 1, values), images)
    else:
        grid = tiles.strips_grid(Strips("layer", 20, False, values), images)
    assert (grid.tiles, grid.silent) == (40, 0)
    assert all(decoded(picture).shape[1] > 300 for picture in grid.pictures)
    assert {picture.fine for picture in grid.pictures} == {len(inputs) == 2 or len(space) == 1}


def test_a_grid_is_no_wider_than_a_page_and_no_picture_of_lines_higher_than_half_a_sheet() -> None:
    for units in (16, 64):
        for picture in grid_of(np.ones((5, 40, units))).pictures:
            assert picture.width <= 930
            assert picture.height <= 0.75 * picture.width


# Input series


def test_series_are_drawn_a_line_a_channel_on_one_scale() -> None:
    steps = np.arange(50.0)
    shown = series.chart(np.stack([steps, 49 - steps], axis=1), (0, 49), width=100, height=50)
    first, second = (shown == series._INK + channel for channel in (0, 1))
    rows = np.arange(50)[:, np.newaxis]
    middles = [(rows * line).sum(axis=0) / line.sum(axis=0).clip(1) for line in (first, second)]
    assert middles[0][5] > 40 and middles[0][95] < 10, "it rises"
    assert middles[1][5] < 10 and middles[1][95] > 40, "it falls"


def test_a_line_has_no_gaps_where_it_is_steep() -> None:
    values = np.where(np.arange(40) % 2, 1.0, -1.0)[:, np.newaxis]
    drawn = series.chart(values, (-1, 1), width=400, height=60) == series._INK
    assert drawn[:, 5:395].any(axis=0).all()
    assert drawn.any(axis=1)[5:55].all()


@pytest.mark.parametrize("steps", [300, 301, 599, 10_000, 100_000])
def test_one_peak_of_a_long_series_stays_as_high_as_it_is(steps: int) -> None:
    values = np.zeros((steps, 1))
    values[steps // 3] = 1
    drawn = series.chart(values, (0, 1), width=300, height=60) == series._INK
    columns = np.flatnonzero(drawn[:6].any(axis=0))
    assert len(columns)
    assert abs(columns.mean() - 100) < 3
    assert np.flatnonzero(drawn[:, 50]).min() > 50


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "bool"])
@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("channels", [1, 2, 6, 200])
def test_constant_series_can_be_shown(dtype: str, value: int, channels: int) -> None:
    stored = np.full((2, 12, channels), value, dtype)
    for picture in input_images.images(stored):
        assert picture.fine
        assert len(np.unique(decoded(picture).astype(int) @ [1 << 16, 1 << 8, 1])) <= 2


def test_equal_series_look_alike_beside_whatever_others_on_the_scale_of_the_report() -> None:
    stored = np.random.default_rng(0).random((3, 20, 1), np.float32)
    together = input_images.images(stored, (0, 1))
    assert together[0] == input_images.images(stored[:1], (0, 1))[0]
    assert together[0] != input_images.images(stored[:1], (-9, 9))[0]


def test_many_channels_are_a_strip_with_the_first_on_top() -> None:
    stored = np.zeros((30, 8))
    stored[10, 0] = stored[20, 7] = 1
    shown = series.chart(stored, (0, 1), width=60, height=80)
    bright = np.argwhere(shown == shown.max())
    assert bright.min(axis=0).tolist() == [0, 20]
    assert bright.max(axis=0).tolist() == [79, 41]


def test_a_strip_shows_some_of_very_many_channels_and_says_how_many() -> None:
    assert [series.rows_of_strip(channels) for channels in (6, 64, 65, 300)] == [6, 64, 33, 60]
    pictures = make_pictures(examples=Examples(np.zeros((1, 9, 300)), np.zeros(1, int), np.zeros(1, int)))
    reading = legends.legend(pictures, (0.0, 1.0)).reading
    assert reading is not None
    assert "60 of 300 channels shown" in reading


@pytest.mark.parametrize("channels", [1, 3, 9])
@pytest.mark.parametrize("patch", [[0, 10], [25, 50], [90, 100], [0, 100], [7, 8]])
def test_what_a_unit_sees_is_marked_from_its_first_to_its_last_step(channels: int, patch: list[int]) -> None:
    stored = np.random.default_rng(0).random((100, channels), np.float32)
    pixels = decoded(input_images.with_patches([(stored, patch)], (0, 1)))
    columns = np.flatnonzero(is_colour(pixels, FRAME).any(axis=0))
    width = pixels.shape[1]
    inside = [column for column in range(width) if patch[0] * width <= 100 * column < patch[1] * width]
    if patch[0]:
        assert inside[0] - 3 <= columns.min() < inside[0]
    if patch[1] < 100:
        assert inside[-1] < columns.max() <= inside[-1] + 3


def test_a_series_without_a_patch_has_no_mark() -> None:
    pixels = decoded(input_images.with_patches([(np.ones((9, 1)), None)], (0, 1)))
    assert not is_colour(pixels, FRAME).any()


# Kernels along one axis


def test_weights_are_bars_up_and_down_from_the_middle() -> None:
    painted = series.bars(np.array([1.0, -0.5, 0.0]), 1.0, width=30, height=20)
    up, down = painted == series._UP, painted == series._DOWN
    assert up.sum(axis=0)[:8].tolist() == [10] * 8
    assert down.sum(axis=0)[10:18].tolist() == [5] * 8
    assert not (up | down)[:, 20:].any()
    assert up[:10].any() and not up[10:].any()
    assert down[10:].any() and not down[:10].any()


@pytest.mark.parametrize("taps", [1, 2, 3, 11, 48, 97, 1000])
@pytest.mark.parametrize("inputs", [1, 4])
def test_kernels_of_any_length_can_be_painted(taps: int, inputs: int) -> None:
    grid = tiles.kernels_grid(make_kernels(np.ones((5, inputs, taps))))
    assert grid.tiles == 5 * inputs
    assert all(picture.fine and picture.width < 930 for picture in grid.pictures)
    assert tiles.unit_kernel(np.zeros((inputs, taps), np.float32), 0.0).fine


# Slices


def test_the_plane_with_the_largest_value_is_shown_with_its_number() -> None:
    values = np.zeros((1, 4, 2, 2, 2), np.float32)
    values[0, 1, :, :, 0], values[0, 3, :, :, 1] = [[1, 2], [3, 4]], [[4, 3], [2, 1]]
    plain = np.zeros((1, 2, 2, 2), np.float32)
    plain[0, :, :, 0], plain[0, :, :, 1] = values[0, 1, :, :, 0], values[0, 3, :, :, 1]
    inputs = np.zeros((1, 8, 8, 1), np.uint8)
    (of_volume,), (of_plane,) = grid_of(values, inputs).pictures, grid_of(plain, inputs).pictures
    cut = decoded(of_plane)[:, : of_volume.width]
    below = [slice(18, 18 + 48), slice(88, None)]
    assert np.array_equal(decoded(of_volume)[*below][:, :104], cut[*below][:, :104])
    above = [slice(0, 18), slice(88, 88 + 104)]
    assert not np.array_equal(decoded(of_volume)[*above], cut[*above]), "no number of a plane"
    (thinned,) = grid_of(values, inputs, step=5).pictures
    assert not np.array_equal(decoded(thinned)[*above], decoded(of_volume)[*above]), (
        "not counted in planes of the layer"
    )


def test_a_volume_that_fires_in_one_plane_alone_is_not_silent() -> None:
    values = np.zeros((1, 5, 3, 3, 2))
    values[0, 4, 0, 0, 0] = 1
    assert grid_of(values, np.zeros((1, 8, 8, 1), np.uint8)).silent == 1


def test_a_kernel_has_its_planes_side_by_side() -> None:
    weights = np.zeros((1, 1, 2, 3, 3))
    weights[0, 0, 0], weights[0, 0, 1] = 1, -1
    pixels = decoded(tiles.unit_kernel(weights[0].astype(np.float32), 1.0))
    red, blue = (is_colour(pixels, colour).any(axis=0).nonzero()[0] for colour in (POSITIVE, NEGATIVE))
    assert red.max() < blue.min()
    assert len(red) == len(blue) == 24


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (1, 3, 3), (5, 1, 1), (7, 7, 7)])
@pytest.mark.parametrize("inputs", [1, 4])
def test_kernels_of_volumes_of_any_shape_can_be_painted(shape: tuple[int, ...], inputs: int) -> None:
    grid = tiles.kernels_grid(make_kernels(np.ones((10, inputs, *shape))))
    assert grid.tiles == 10 * inputs
    assert all(picture.width < 930 and not picture.fine for picture in grid.pictures)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 9), (2, 9, 9), (3, 9, 5), (16, 40, 30), (40, 300, 200)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_volumes_of_any_shape_are_shown_as_up_to_three_planes(shape: tuple[int, ...], channels: int) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (2, *shape, channels), dtype=np.uint8)
    for picture in input_images.images(stored):
        pixels = decoded(picture)
        gaps = np.flatnonzero(is_colour(pixels, (255, 255, 255)).all(axis=0))
        assert len(gaps) == 4 * (min(shape[0], 3) - 1)
        assert pixels.shape[1] < 310


def test_the_patch_is_framed_in_the_plane_in_its_middle() -> None:
    volume = np.zeros((9, 20, 20, 1), np.uint8)
    volume[4] = 255
    pixels = decoded(input_images.with_patches([(volume, [3, 5, 5, 6, 12, 12])]))
    frame = np.argwhere(is_colour(pixels, FRAME))
    inside = pixels[frame[:, 0].min() + 2 : frame[:, 0].max() - 1, frame[:, 1].min() + 2 : frame[:, 1].max() - 1]
    assert is_colour(inside, (255, 255, 255)).all()
    assert inside.shape[:2] == (28, 28)


@pytest.mark.parametrize(
    ("patch", "plane"), [(None, 4), ([0, 0, 0, 9, 5, 5], 4), ([0, 0, 0, 1, 5, 5], 0), ([6, 0, 0, 9, 5, 5], 7)]
)
def test_planes_are_named_as_they_are_shown(patch: list[int] | None, plane: int) -> None:
    volume = np.zeros((9, 20, 20, 1), np.uint8)
    assert legends.planes_seen([(volume, patch)]) == f"plane {plane} of 9"
    assert legends.planes_seen([(volume, patch), (volume, [0, 0, 0, 3, 5, 5])]) == f"planes {plane}, 1 of 9"
    assert legends.planes_seen([(volume[0], [0, 0, 5, 5])]) is None


def test_of_a_huge_volume_only_what_is_shown_is_touched() -> None:
    """A broadcast volume has no memory of its own; taking all of it would need a gigabyte."""
    huge = np.broadcast_to(np.float32(0.5), (1, 512, 512, 2000, 1))
    (picture,) = input_images.images(huge)
    assert picture.width < 310
    assert input_images.with_patches([(huge[0], [0, 0, 0, 9, 9, 9])]).width < 310


# The page


def record_of(images: Any, maps: Maps, kernels: Kernels | None, patch: list[int], **changes: Any) -> Record:
    """Return the small record with other images, (6, *space, C), and the outputs and kernels of its layer conv."""
    verdict = make_verdict("conv", maps.units)
    tops = [TopImage(1, 2.0, "circle", "circle", 0, 1, patch), TopImage(0, 1.0, "star", "circle", 0, 0)]
    other = TopImage(2, 0.5, "star", "star", 0, 0)
    units = [make_unit(unit=u, top_images=tops, other_image=other, removable=u == 1) for u in range(maps.units)]
    pictures = make_pictures(
        examples=Examples(images[:2], np.array([0, 0]), np.array([0, 1])),
        worst=images[2:3],
        cards=Cards(np.arange(len(images)), images, {"conv": list(range(maps.units))}),
        maps=[maps],
        kernels=[kernels] if kernels else [],
    )
    scores = make_scores(worst=[Mistake(1, "circle", "square", 0.75)])
    model = dataclasses.replace(
        make_record().model,
        layers=[
            LayerRow("conv", "Conv", [None, *maps.values.shape[1:]], 20, True, None),
            LayerRow("scores", "Dense", [None, 3], 27, True, None),
        ],
    )
    record = make_record(
        layers=[verdict, make_verdict("scores", 3, states={"output": 3})],
        units=[*units, *make_record().units[2:]],
        pictures=pictures,
        evaluation={"train": None, "test": scores},
        model=model,
        data=dataclasses.replace(make_record().data, input_shape=list(images.shape[1:])),
    )
    return dataclasses.replace(record, **changes)


def series_record(steps: int = 40, channels: int = 1, step: int = 1) -> Record:
    generator = np.random.default_rng(0)
    images = generator.standard_normal((6, steps, channels)).cumsum(axis=1).astype(np.float32)
    values = generator.standard_normal((2, max(1, steps // step - 2), 4)).clip(0).astype(np.float32)
    kernels = make_kernels(generator.standard_normal((4, channels, 3)))
    return record_of(images, Maps("conv", 4, step, values), kernels, [0, min(3, steps)])


def volume_record(depth: int = 6, side: int = 10, channels: int = 1, step: int = 1) -> Record:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (6, depth, side, side, channels), dtype=np.uint8)
    space = [max(1, length // step - 2) for length in (depth, side, side)]
    values = generator.standard_normal((2, *space, 4)).clip(0).astype(np.float32)
    kernels = make_kernels(generator.standard_normal((4, channels, 3, 3, 3)))
    return record_of(images, Maps("conv", 4, step, values), kernels, [0, 0, 0, 3, 3, 3])


@pytest.mark.slow
@pytest.mark.parametrize("on_paper", [False, True], ids=["screen", "paper"])
@pytest.mark.parametrize("record", [series_record(), series_record(40, 3), series_record(9, 70), volume_record()])
def test_the_page_is_well_formed_and_every_picture_has_words_and_its_size(record: Record, on_paper: bool) -> None:
    found = tree(html(record, on_paper=on_paper))
    pictures = list(found.iter("img"))
    assert len(pictures) > 8
    assert all((picture.get("alt") or "").strip() for picture in pictures)
    assert all(int(picture.get("width")) > 0 and int(picture.get("height")) > 0 for picture in pictures)
    assert not [picture for picture in pictures if picture.get("width") == "84"], "a line is no square"


def test_pictures_of_lines_are_shown_at_half_their_size_and_not_in_steps() -> None:
    found = tree(html(series_record()))
    for picture in found.iter("img"):
        content = Image.open(io.BytesIO(base64.b64decode(picture.get("src").split(",")[1])))
        times = 2 if "fine" in picture.get("class").split() else 1
        assert content.size == (times * int(picture.get("width")), times * int(picture.get("height")))
        of_layer = picture.get("alt").startswith(("How alike", "How each unit of layer"))
        assert times == 1 if of_layer else times == 2


def test_words_about_series_are_true_for_series() -> None:
    read = text_of(html(series_record(40, 1)))
    assert "An image is here a series of 40 values." in read
    assert "A line is a series, its first value on the left and its last on the right." in read
    assert "Shapes are of one image: steps × channels, or units." in read
    assert "How each unit responds along each input image, one area a unit from the first position on the left" in read
    assert "A bar is the weight of one step, the first on the left: up and red" in read
    assert "marked in orange, where that is not the whole image, the steps that it can see." in read
    for wrong in ("height × width", "one picture a unit, numbered", "white at zero", "the pixels that it can see"):
        assert wrong not in read


def test_the_scale_of_series_is_told_with_its_zero_where_that_is_on_it() -> None:
    record = series_record()
    low, high = input_images.scale_of(record.pictures) or (0, 0)
    assert low < 0 < high
    assert f"at the bottom to {number(high)} at the top; the grey line is zero." in text_of(html(record))
    pictures = record.pictures
    shifted = dataclasses.replace(
        pictures,
        examples=dataclasses.replace(pictures.examples, images=pictures.examples.images + 1000),
        worst=pictures.worst + 1000,
        cards=dataclasses.replace(pictures.cards, images=pictures.cards.images + 1000),
    )
    legend = legends.legend(shifted, input_images.scale_of(shifted))
    assert legend.reading is not None
    assert "zero" not in legend.reading


def test_channels_are_told_by_their_colours() -> None:
    read = text_of(html(series_record(40, 3)))
    assert "An image is here a series of 40 steps with 3 channels." in read
    assert "a line a channel" in read
    assert "channel 0 blue, channel 1 orange, channel 2 green." in read


def test_many_channels_are_told_to_be_a_strip_with_its_colour_scale() -> None:
    found = html(series_record(40, 9))
    assert "A strip is a series, a row a channel, channel 0 at the top" in text_of(found)
    paragraph = next(e for e in tree(found).iter("p") if "A strip is a series" in "".join(e.itertext()))
    assert [e.get("class") for e in paragraph.iter("span")] == ["scale", "ramp sequential"]


def test_words_about_volumes_are_true_for_volumes() -> None:
    read = text_of(html(volume_record(16, 10)))
    assert "An image is here a volume of 16 planes of 10 × 10 pixels." in read
    assert "Of each volume planes 2, 8, 13 of 16 are shown, numbered from 0." in read
    assert "Shapes are of one image: planes × height × width × channels, or units." in read
    assert "the plane that its largest value lies in, whose number stands in grey." in read
    assert "Its planes stand side by side, the first on the left." in read
    assert "(planes 1, 7 of 16)" in read
    assert "(plane 7 of 16)" in read
    assert "Shapes are of one image: height × width" not in read


def test_what_is_left_out_of_large_series_and_volumes_is_said() -> None:
    read = text_of(html(series_record(10_000, 1, step=40)))
    assert "Of each output one position in 40 is shown." in read
    assert (
        "Where several positions share a column of the picture, the highest and the lowest of them are drawn." in read
    )
    assert "Where several steps share a column of the picture, it reaches from their lowest to their highest." in read
    short = text_of(html(series_record(40)))
    assert "share a column" not in short and "position in" not in short
    read = text_of(html(volume_record(4, 200, 2, step=2)))
    assert "Of each output one plane, row and column in 2 is shown." in read
    assert "Of each plane one row and column in 3 is shown." in read
    assert "Of its 2 channels the first is shown." in read
    assert "row and column" not in text_of(html(volume_record()))


def test_a_picture_needs_no_legend() -> None:
    record = make_record()
    assert legends.legend(record.pictures, input_images.scale_of(record.pictures)) == legends.Legend("picture")
    read = text_of(html(record))
    assert "An image is here" not in read


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "channels"), [(1, 1), (1, 7), (2, 2), (7, 1), (3, 300), (3000, 1)])
def test_series_of_any_size_give_a_page(steps: int, channels: int) -> None:
    assert "Inside the layers" in text_of(html(series_record(steps, channels)))


@pytest.mark.parametrize(("depth", "side", "channels"), [(1, 1, 1), (1, 5, 1), (2, 3, 3), (40, 4, 2)])
def test_volumes_of_any_size_give_a_page(depth: int, side: int, channels: int) -> None:
    assert "Inside the layers" in text_of(html(volume_record(depth, side, channels)))


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("record", [series_record(60, 3), volume_record()], ids=["series", "volume"])
def test_the_paper_of_series_and_volumes_is_as_well_made(record: Record) -> None:
    assert_well_made(made(record).content)
