"""Each corruption against its definition, on pictures of several types, ranges and channels."""

from typing import Any

import numpy as np
import pytest

from reportgen.analysis.shifts import corruptions
from reportgen.analysis.shifts.corruptions import CORRUPTIONS, corrupted, stream
from reportgen.record.shifts import NAMES

Array = Any


def pictures(kind: str = "uint8", channels: int = 1, count: int = 12, shape: tuple[int, int] = (16, 20)) -> Array:
    """Return smooth blobs on a dark ground, as they might be stored."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    middle = rng.uniform(0.35, 0.65, (2, count, 1, 1)) * np.reshape(shape, (2, 1, 1, 1))
    blob = np.exp(-((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2) / 14)
    shares = blob[..., np.newaxis] * np.linspace(1, 0.5, channels)
    if kind == "uint8":
        return np.rint(shares * 255).astype(np.uint8)
    if kind == "uint16":
        return np.rint(shares * 60000).astype(np.uint16)
    return (shares * 4 - 2).astype(kind)


def ends(images: Array) -> tuple[Array, Array]:
    flat = images.reshape(-1, images.shape[-1]).astype(np.float64)
    return flat.min(axis=0), flat.max(axis=0)


def changed(name: str, severity: int, images: Array, seed: int = 0) -> Array:
    return corrupted(images, name, severity, *ends(images), stream(seed, name))


def made(name: str, amount: float, shares: Array) -> Array:
    """Return shares of the range changed by an amount, not yet cut to the range."""
    return CORRUPTIONS[name].made(shares, amount, stream(0, name))


def shares_of(images: Array) -> Array:
    return images.astype(np.float32) / 255


ALL = list(CORRUPTIONS)


def test_there_are_twelve_and_each_has_a_name() -> None:
    assert len(ALL) == 12 and list(NAMES) == ALL


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("kind", "channels"), [("uint8", 1), ("uint8", 3), ("uint16", 1), ("float32", 3), ("float64", 2)]
)
def test_type_shape_and_range_stay_and_severity_0_changes_nothing(name: str, kind: str, channels: int) -> None:
    images = pictures(kind, channels)
    assert changed(name, 0, images).tobytes() == images.tobytes()
    low, high = ends(images)
    for severity in (1, 2, 3):
        found = changed(name, severity, images)
        assert found.dtype == images.dtype and found.shape == images.shape
        assert (found >= low.astype(images.dtype)).all() and (found <= high.astype(images.dtype)).all()
        assert (found != images).any()


@pytest.mark.parametrize("name", ALL)
def test_a_higher_severity_is_further_away(name: str) -> None:
    images = pictures(channels=3, count=40)
    far = [np.abs(changed(name, severity, images) / 255.0 - images / 255.0).mean() for severity in (0, 1, 2, 3)]
    assert far == sorted(far) and far[1] > 0 and len(set(far)) == 4


@pytest.mark.parametrize("name", ALL)
def test_the_seed_decides_and_pictures_may_come_some_at_a_time(name: str) -> None:
    images = pictures()
    whole = changed(name, 2, images)
    assert (changed(name, 2, images) == whole).all()
    draws = stream(0, name)
    parts = [corrupted(images[some], name, 2, *ends(images), draws) for some in (slice(0, 5), slice(5, None))]
    assert (np.concatenate(parts) == whole).all()
    if name in ("noise", "shift", "rotation", "occlusion", "stripes"):
        assert (changed(name, 2, images, seed=1) != whole).any()


def test_noise_has_its_deviation_and_no_mean() -> None:
    grey = np.full((40, 16, 16, 1), 0.5, np.float32)
    found = made("noise", 0.18, grey) - grey
    assert found.std() == pytest.approx(0.18, rel=0.02) and abs(found.mean()) < 0.005


def test_blur_keeps_the_mean_and_spreads_a_point_by_its_deviation() -> None:
    point = np.zeros((1, 64, 64, 1))
    point[0, 32, 32, 0] = 1
    found = made("blur", 0.035, point)
    assert found.sum() == pytest.approx(1)
    rows = np.arange(64) - 32
    assert np.sqrt((found[0, :, :, 0].sum(axis=1) * rows**2).sum()) == pytest.approx(0.3 + 0.035 * 64, rel=0.02)


def test_contrast_scales_the_deviation_and_keeps_the_mean_of_each_channel() -> None:
    before = shares_of(pictures(channels=3))
    after = made("contrast", 0.4, before)
    assert after.mean(axis=(1, 2)) == pytest.approx(before.mean(axis=(1, 2)), abs=1e-6)
    assert after.std(axis=(1, 2)) == pytest.approx(0.4 * before.std(axis=(1, 2)), abs=1e-6)


def test_brightness_adds_its_share_of_the_range_to_the_mean() -> None:
    images = np.full((3, 8, 8, 1), 40, np.uint8)
    images[0, 0, 0], images[0, 0, 1] = 0, 200  # the range: 0 to 200
    assert (changed("brightness", 2, images)[1:] == 40 + 0.3 * 200).all()


def test_shift_moves_by_exactly_so_many_pixels_in_all_four_ways() -> None:
    images = pictures(count=60, shape=(28, 28))
    images[:, 0] = images[:, -1] = images[:, :, 0] = images[:, :, -1] = 7  # the ground
    ways = set()
    for before, after in zip(images[..., 0], changed("shift", 1, images)[..., 0], strict=True):
        for axis, by in ((0, 2), (0, -2), (1, 2), (1, -2)):
            rolled = np.roll(before, by, axis)
            edge = [slice(None)] * 2
            edge[axis] = slice(0, 2) if by > 0 else slice(-2, None)
            rolled[tuple(edge)] = 7
            if (rolled == after).all():
                ways.add((axis, by))
                break
        else:
            pytest.fail("moved in no way, or by another distance")
    assert len(ways) == 4


def test_rotation_turns_by_its_angle_one_way_or_the_other() -> None:
    line = np.zeros((20, 41, 41, 1))
    line[:, 20, 4:37] = 1
    turned = made("rotation", 20, line)[..., 0]
    angles = set()
    for one in turned:
        rows, columns = np.nonzero(one > 0.3)
        slope = np.polyfit(columns, rows, 1)[0]
        angles.add(round(float(np.degrees(np.arctan(slope)))))
    assert angles == {-20, 20}


def test_scale_shrinks_the_area_about_the_middle_on_the_same_ground() -> None:
    square = np.full((1, 40, 40, 1), 0.25)
    square[:, 10:30, 10:30] = 1
    found = made("scale", 0.5, square)
    inside = found[0, ..., 0] > 0.6
    rows, columns = np.nonzero(inside)
    assert inside.sum() == pytest.approx(100, abs=12) and rows.mean() == columns.mean() == pytest.approx(19.5)
    assert found[0, 0, 0, 0] == 0.25


def test_occlusion_covers_one_square_of_its_size_with_the_ground() -> None:
    lit = np.ones((30, 16, 24, 1))
    lit[:, [0, -1]] = 0.25
    lit[:, :, [0, -1]] = 0.25
    sizes = set()
    for before, after in zip(lit, made("occlusion", 0.25, lit), strict=True):
        rows, columns, _ = np.nonzero(before != after)
        assert (after[rows, columns] == 0.25).all()
        sizes |= {(np.ptp(rows) + 1, np.ptp(columns) + 1)}
    assert max(sizes) == (4, 4)


def test_full_inversion_is_its_own_opposite() -> None:
    before = shares_of(pictures())
    assert made("inversion", 1, before) == pytest.approx(1 - before)
    assert made("inversion", 0.6, before).std() == pytest.approx(0.2 * before.std(), rel=1e-4)


@pytest.mark.parametrize(("ground", "sign"), [(0.0, 1), (1.0, -1)])
def test_stripes_take_half_of_the_rows_away_from_the_ground(ground: float, sign: int) -> None:
    found = made("stripes", 0.25, np.full((5, 28, 28, 1), ground)) - ground
    assert set(np.unique(found)) == {0, sign * 0.25}
    assert (found == found[:, :, :1]).all() and (found != 0).mean() == 0.5


def test_pixelation_has_so_many_pixels_and_keeps_the_mean_where_they_divide_the_side() -> None:
    before = shares_of(pictures(shape=(16, 16)))
    found = made("pixelation", 0.25, before)
    blocks = found.reshape(-1, 4, 4, 4, 4, 1)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    assert found.mean(axis=(1, 2, 3)) == pytest.approx(before.mean(axis=(1, 2, 3)), abs=1e-5)


def test_jpeg_is_what_pillow_makes_of_it() -> None:
    import io

    from PIL import Image

    images = pictures(channels=3)
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    packed = io.BytesIO()
    Image.fromarray(images[3]).save(packed, "JPEG", quality=15)
    assert (changed("jpeg", 2, images)[3] == np.asarray(Image.open(packed))).all()


def test_what_is_uncovered_shows_the_border_of_each_picture_and_channel() -> None:
    images = np.zeros((2, 9, 9, 2))
    images[0, [0, -1]] = images[0, :, [0, -1]] = (0.5, 0.75)
    assert corruptions.background(images)[:, 0, 0].tolist() == [[0.5, 0.75], [0, 0]]


def test_a_channel_of_one_value_stays_as_it_is() -> None:
    images = pictures("float32", 2)
    images[..., 1] = 3
    for name in ALL:
        assert (changed(name, 3, images)[..., 1] == 3).all()
