"""Windows and tiles, upsampling to the picture's edges, the prior, polarity, and the check."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.media.depth_check import edge_agreement
from studio_pipelines.media.depth_map import mapped, oriented, shares_of
from studio_pipelines.media.depth_prior import blended, ramp_with_subject
from studio_pipelines.media.depth_upsampling import at_full_size
from studio_pipelines.media.depth_windows import Grid, joined, refined, strips, tiles
from studio_pipelines.media.network_view import scaled_codes, window_codes
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.segment_frame import Window

sides = st.integers(1, 3000)


@settings(max_examples=80)
@given(sides, sides, st.sampled_from([128, 384, 518]))
def test_windows_lie_inside_and_cover_all(height: int, width: int, side_px: int) -> None:
    for windows in (strips(height, width), tiles(height, width, side_px)):
        seen = np.zeros((height, width), bool)
        for window in windows:
            left, top, right, bottom = window.corners
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
            seen[top:bottom, left:right] = True
        assert seen.all()
        assert len(windows) <= 64 or max(height, width) > 30 * min(height, width)


def scene(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0 : height / 100 : height * 1j, 0 : width / 100 : width * 1j]
    return (np.sin(2 * x) + 0.6 * np.cos(3 * y) + 0.2 * x).astype(np.float32)


def test_strips_on_scales_of_their_own_become_one_map() -> None:
    truth, rng = scene(60, 900), np.random.default_rng(2)
    windows = strips(60, 900)
    assert len(windows) > 5

    def look(window: Window) -> np.ndarray:
        part = truth[window.slices]
        return part if window.left == 0 else part * rng.uniform(0.4, 2.5) + rng.uniform(-3, 3)

    found = joined(Grid(60, 900, 60, 900), windows, look)
    np.testing.assert_allclose(found, truth, atol=0.02)


def test_tiles_bring_detail_on_the_wholes_scale() -> None:
    truth, rng = scene(400, 600), np.random.default_rng(3)
    fine = truth + 0.1 * np.sin(np.arange(600) * 0.9)[None].astype(np.float32)
    whole = cv2.resize(truth, (75, 50), interpolation=cv2.INTER_AREA)
    windows = tiles(400, 600, 150)
    assert len(windows) > 4

    def look(window: Window) -> np.ndarray:
        return fine[window.slices] * rng.uniform(0.4, 2.5) + rng.uniform(-3, 3)

    found = refined(Grid(400, 600, 400, 600), whole, windows, look)
    assert np.abs(found - fine).mean() < 0.03


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_step_of_the_map_is_drawn_to_the_pictures_edge(dtype: str, channels: int) -> None:
    height, width, edge = 160, 240, 117
    peak = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    pixels = np.full((height, width, channels), 0.2 * peak, dtype)
    pixels[:, edge:] = 0.8 * peak
    picture = Picture(pixels)
    small = np.where(np.arange(60) < edge / 4 + 0.8, 3.0, 8.0).astype(np.float32)
    found = at_full_size(np.tile(small, (40, 1)), scaled_codes(picture, 40, 60), pixels)
    assert found.shape == (height, width)
    assert found[:, : edge - 16].max() < 3.6
    assert found[:, edge + 16 :].min() > 7.4
    steep = np.abs(np.diff(found[80]))
    assert abs(int(steep.argmax()) + 1 - edge) <= 2


def test_a_checkerboard_leaves_no_relief_on_a_plane() -> None:
    y, x = np.mgrid[:192, :256]
    pixels = np.repeat((((x // 16 + y // 16) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    plane = np.linspace(0, 1, 48, dtype=np.float32)[:, None] * np.ones(64, np.float32)
    found = at_full_size(plane, scaled_codes(Picture(pixels), 48, 64), pixels)
    expected = np.clip((np.arange(192) + 0.5) / 4 - 0.5, 0, 47) / 47
    assert np.abs(found - expected[:, None])[8:-8].max() < 0.025


def test_a_plain_pictures_window_is_its_own_pixels() -> None:
    pixels = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    seen = window_codes(Picture(pixels), Window(4, 2, 10, 8))
    assert np.array_equal(seen, pixels[2:10, 4:14])
    grey = window_codes(Picture(np.full((5, 7, 1), 65535, np.uint16)), Window(0, 0, 7, 5))
    assert grey.shape == (5, 7, 3)
    assert (grey == 255).all()


def test_the_prior_rises_downward_and_a_subject_stands_on_its_foot() -> None:
    subject = np.zeros((100, 80), np.float32)
    assert np.array_equal(
        ramp_with_subject(subject),
        np.linspace(0, 1, 100)[:, None].astype(np.float32) * np.ones((1, 80), np.float32),
    )
    subject[20:60, 30:50] = 1
    found = ramp_with_subject(subject)
    assert np.ptp(found[20:60, 30:50]) == 0
    assert found[40, 40] == pytest.approx(0.15 + 0.85 * 0.6)
    assert found[40, 10] == pytest.approx(40 / 99)


def test_no_weight_keeps_the_networks_order() -> None:
    values = np.random.default_rng(0).normal(3, 7, (20, 30)).astype(np.float32)
    found = blended(values, np.zeros_like(values), 0.0)
    assert np.array_equal(np.argsort(found.ravel()), np.argsort(values.ravel()))
    assert np.median(found) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(blended(np.ones_like(values), values, 0.5)).all()


def test_polarity_and_unit_are_told() -> None:
    relative = np.array([[1.0, 2.0, 5.0]], np.float32)
    options = {"as_metric": False, "most_m": None}
    found = oriented(relative.copy(), in_metres=False, invert=False, **options)
    assert found.describe() == {
        "unit": "relative",
        "polarity": "nearIsLarge",
        "min": 1.0,
        "max": 5.0,
    }
    turned = oriented(relative.copy(), in_metres=False, invert=True, **options)
    assert turned.polarity == "farIsLarge"
    assert turned.values.tolist() == [[5, 4, 1]]
    metres = oriented(relative.copy(), in_metres=True, as_metric=True, invert=False, most_m=4.0)
    assert (metres.unit, metres.polarity, metres.high) == ("m", "farIsLarge", 4.0)
    inverse = oriented(relative.copy(), in_metres=True, as_metric=True, invert=True, most_m=None)
    assert (inverse.unit, inverse.polarity) == ("1/m", "nearIsLarge")
    assert inverse.values.tolist() == [[1, 0.5, pytest.approx(0.2)]]
    ranked = oriented(relative.copy(), in_metres=True, invert=False, **options)
    assert (ranked.unit, ranked.polarity) == ("1/m", "nearIsLarge")


def test_shares_go_from_the_smallest_to_the_largest() -> None:
    values = np.array([[2.0, np.nan, 4.0, np.inf]], np.float32)
    found = mapped(values, "m", "farIsLarge")
    assert (found.low, found.high) == (2, 4)
    assert shares_of(found, slice(None)).tolist() == [[0, 0, 1, 0]]
    flat = mapped(np.full((2, 2), 7, np.float32), "m", "farIsLarge")
    assert not shares_of(flat, slice(None)).any()


def test_edges_agree_where_they_lie_on_each_other() -> None:
    rng = np.random.default_rng(1)
    codes = np.full((80, 100, 3), 0.3, np.float32) + rng.normal(0, 0.01, (80, 100, 3)).astype(
        np.float32
    )
    codes[20:60, 30:70] += 0.5
    values = np.zeros((80, 100), np.float32)
    values[20:60, 30:70] = 1
    assert edge_agreement(values, codes) > 0.95
    assert edge_agreement(np.roll(values, (13, 11), (0, 1)), codes) < 0.75
    assert edge_agreement(np.zeros((80, 100), np.float32), codes) is None
    assert edge_agreement(values, np.full((80, 100, 3), 0.5, np.float32)) is None
