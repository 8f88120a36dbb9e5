"""Frames and grids: where a picture's pixels lie in what a network sees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipelines.media.logit_grid import logits_of, region_of, stability
from studio_pipelines.media.segment_frame import (
    LONGEST_WINDOW,
    Frame,
    Window,
    is_strip,
    tiles,
    window_around,
)

sides = st.integers(1, 3000)
CELLS, SIDE_PX = 256, 1024


@given(sides, sides, st.integers(1, 4), st.floats(0, 0.6))
def test_tiles_cover_the_picture(width: int, height: int, pieces: int, overlap: float) -> None:
    found = list(tiles(width, height, pieces, overlap))
    columns, rows = np.zeros(width, bool), np.zeros(height, bool)
    for left, top, right, bottom in (one.corners for one in found):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        columns[left:right] = rows[top:bottom] = True
    assert columns.all()
    assert rows.all()
    if not is_strip(width, height):
        assert len(found) == pieces**2


@given(sides, sides, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4))
def test_a_window_holds_its_points(
    width: int, height: int, shares: list[tuple[float, float]]
) -> None:
    points = np.array(shares, np.float32) * (width, height)
    window = window_around(points.astype(np.float32), width, height)
    left, top, right, bottom = window.corners
    assert (points[:, 0] >= left - 0.5).all()
    assert (points[:, 0] <= right + 0.5).all()
    assert (points[:, 1] >= top - 0.5).all()
    assert (points[:, 1] <= bottom + 0.5).all()
    if len(shares) == 1:
        assert max(right - left, bottom - top) <= LONGEST_WINDOW * min(width, height)
    if not is_strip(width, height):
        assert window.corners == (0, 0, width, height)


def test_clicks_near_each_other_have_the_same_window() -> None:
    windows = {
        window_around(np.array([[x, 150]], np.float32), 20_000, 300).corners
        for x in (9_990, 10_000, 10_020)
    }
    assert len(windows) == 1


def test_points_are_counted_as_the_network_counts_them() -> None:
    frame = Frame(Window(100, 50, 512, 256), SIDE_PX, keeps_shape=True)
    assert frame.seen_px == (1024, 512)
    points = np.array([[100.5, 50.5], [612, 306]], np.float32)
    assert np.allclose(frame.to_network(points), [[0.5, 0.5], [1023.5, 511.5]])
    stretched = Frame(Window(0, 0, 512, 256), SIDE_PX, keeps_shape=False)
    assert stretched.scale == (2.0, 4.0)


@pytest.mark.parametrize("keeps_shape", [True, False])
@pytest.mark.parametrize(("width", "height"), [(1600, 1000), (500, 1100), (90, 90)])
def test_a_straight_edge_stays_where_it_is(width: int, height: int, keeps_shape: bool) -> None:
    """Logits that rise evenly across a picture are cut at the same place in every size of it."""
    window = Window(7, 11, width, height)
    frame = Frame(window, SIDE_PX, keeps_shape)
    (step, offset), _ = frame.to_grid(CELLS)
    edge_px = 0.37 * width
    at_cell = (edge_px - 0.5) * step + offset
    logits = np.broadcast_to(np.arange(CELLS) - at_cell, (CELLS, CELLS)).astype(np.float32)
    region = region_of(logits, frame, width + 50, height + 60)
    left, top, right, bottom = region.box
    assert abs(left - (7 + edge_px)) <= 1
    assert (top, right, bottom) == (11, 7 + width, 11 + height)
    assert region.inside.mean() > 0.99


@pytest.mark.parametrize(("width", "height"), [(1200, 800), (300, 700)])
def test_a_drawn_mask_comes_back_from_its_logits(width: int, height: int) -> None:
    y, x = np.mgrid[:height, :width]
    mask = ((y - 0.5 * height) / height) ** 2 + ((x - 0.4 * width) / width) ** 2 < 0.09
    frame = Frame(Window(0, 0, width, height), SIDE_PX, keeps_shape=True)
    back = region_of(logits_of(mask, frame, CELLS), frame, width, height).whole()
    assert (back & mask).sum() / (back | mask).sum() > 0.98


def test_stability_is_the_share_that_stays() -> None:
    frame = Frame(Window(0, 0, 1024, 1024), SIDE_PX, keeps_shape=True)
    logits = np.full((CELLS, CELLS), -5, np.float32)
    logits[:100, :100] = 3
    assert stability(logits, frame) == 1.0
    logits[:50, :100] = 0.5
    assert stability(logits, frame) == 0.5
    assert stability(np.full((CELLS, CELLS), -5, np.float32), frame) == 0.0
    # What lies beyond the picture does not count.
    flat = Frame(Window(0, 0, 1024, 200), SIDE_PX, keeps_shape=True)
    assert stability(logits, flat) == 0.0


def test_nothing_above_zero_is_no_pixel() -> None:
    frame = Frame(Window(0, 0, 20, 30), SIDE_PX, keeps_shape=True)
    region = region_of(np.full((CELLS, CELLS), -1, np.float32), frame, 20, 30)
    assert region.area_px == 0
    assert not region.whole().any()
