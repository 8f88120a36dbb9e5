"""Regions: kept as their rectangle, mended, compared, and as outlines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studio_pipelines.media.mask_polygons import polygons_of, region_of_polygons
from studio_pipelines.media.mask_region import Region, softened
from studio_pipelines.media.segment_frame import Window
from studio_pipelines.media.segment_prompts import innermost

masks = st.tuples(st.integers(1, 20), st.integers(1, 20)).flatmap(lambda size: arrays(bool, size))


def region(mask: np.ndarray) -> Region:
    height, width = mask.shape
    return Region.of(mask, Window(0, 0, width, height), width, height)


def disc(height: int, width: int, row: float, column: float, radius: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


@given(masks)
def test_a_region_is_its_mask(mask: np.ndarray) -> None:
    found = region(mask)
    assert np.array_equal(found.whole(), mask)
    assert found.area_px == mask.sum()
    left, top, right, bottom = found.box
    if found.area_px:
        assert mask[top].any()
        assert mask[bottom - 1].any()
        assert mask[:, left].any()
        assert mask[:, right - 1].any()
    height, width = mask.shape
    assert np.array_equal(found.sampled(Window(0, 0, width, height), width, height), mask)
    for y, x in np.ndindex(mask.shape):
        assert found.holds(x + 0.5, y + 0.5) == mask[y, x]


@given(masks, st.data())
def test_overlap_is_that_of_the_pixels(mask: np.ndarray, data: st.DataObject) -> None:
    other = data.draw(arrays(bool, mask.shape))
    union = (mask | other).sum()
    expected = (mask & other).sum() / union if union else 0.0
    assert region(mask).iou(region(other)) == pytest.approx(expected)


def test_small_islands_go_and_small_holes_are_filled() -> None:
    body = disc(120, 160, 60, 70, 40)
    hole, large_hole = disc(120, 160, 60, 60, 3), disc(120, 160, 60, 85, 9)
    island, large_island = disc(120, 160, 20, 140, 3), disc(120, 160, 90, 135, 9)
    mask = (body & ~hole & ~large_hole) | island | large_island
    mended = region(mask).mended(100).whole()
    assert np.array_equal(mended, (body & ~large_hole) | large_island)
    assert np.array_equal(region(mask).mended(0).whole(), mask)


@given(masks, st.integers(2, 30))
def test_mending_knows_sizes_to_the_pixel(mask: np.ndarray, least_px: int) -> None:
    """What is left has no island but the largest, and no hole, of less than the size."""
    mended = region(mask).mended(least_px)
    again = mended.mended(least_px)
    assert np.array_equal(mended.whole(), again.whole())
    assert (mended.area_px > 0) == mask.any()


def test_a_hole_at_the_edge_is_none() -> None:
    mask = np.ones((40, 40), bool)
    mask[18:22, :4] = False
    assert np.array_equal(region(mask).mended(50).whole(), mask)


@given(masks)
def test_outlines_give_the_mask_again(mask: np.ndarray) -> None:
    polygons = polygons_of(region(mask), tolerance_px=0)
    height, width = mask.shape
    assert np.array_equal(region_of_polygons(polygons, width, height).whole(), mask)


def test_outlines_are_few_points_and_close() -> None:
    mask = disc(500, 700, 240, 300, 200) & ~disc(500, 700, 240, 300, 60)
    ((outline, hole),) = polygons_of(region(mask))
    assert len(outline) + len(hole) < 200
    assert region_of_polygons([[outline, hole]], 700, 500).iou(region(mask)) > 0.995


def test_the_innermost_point_is_inside() -> None:
    mask = disc(200, 300, 100, 150, 80) & ~disc(200, 300, 100, 150, 50)
    x, y = innermost(region(mask))
    assert region(mask).holds(x, y)
    assert abs(np.hypot(x - 150, y - 100) - 65) < 4
    large = np.zeros((3000, 2000), bool)
    large[500:2500, 400:420] = True
    large[1200:1500, 400:800] = True
    x, y = innermost(region(large))
    assert 1200 < y < 1500
    assert 400 < x < 800


def test_a_soft_edge_keeps_the_middle() -> None:
    mask = disc(100, 100, 50, 50, 30)
    assert np.array_equal(softened(mask, 0), mask.astype(np.uint8) * 255)
    soft = softened(mask, 4)
    assert soft[50, 50] == 255
    assert soft[0, 0] == 0
    assert 100 < soft[50, 80] < 155
    assert abs(int(soft.sum()) / 255 - mask.sum()) < 0.02 * mask.sum()
