from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.errors import InvalidParameter, UnusableMedia
from studio_pipelines.media.inpaint_mask import Margins, expanded, mask_of, mask_of_box
from studio_pipelines.media.inpaint_report import outside_unchanged, seam_score
from studio_pipelines.media.inpaint_scope import Request, Scope, scope_of
from studio_pipelines.media.inpaint_windows import WindowPlan, windows_of
from studio_pipelines.media.inpainting import Filling, View, inpaint
from studio_pipelines.media.patch_completion import NothingToCopy
from studio_pipelines.media.picture import Picture

FULL = {"uint8": 255, "uint16": 65535, "float32": 1.0}


def noise(height: int, width: int, channels: int = 3, dtype: str = "uint8") -> np.ndarray:
    values = np.random.default_rng(3).random((height, width, channels))
    return (values * FULL[dtype]).astype(dtype)


def scope(before: np.ndarray, hole: np.ndarray, plan: WindowPlan | None = None) -> Scope:
    return Scope(Picture(before), hole, None, None, plan or WindowPlan())


def paint(view: View, report: Any) -> Filling:
    """A filler that shows where it was: everything, also outside the hole, becomes 51."""
    report(1.0)
    return Filling(np.full_like(view.colours, 51), 2.0)


def holes(draw: Any, height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    for _ in range(draw(st.integers(1, 5))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        hole[top : top + draw(st.integers(1, 60)), left : left + draw(st.integers(1, 60))] = True
    return hole


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    strategy=st.sampled_from(["crop", "tile", "original"]),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    channels=st.sampled_from([1, 3, 4]),
    margin=st.sampled_from([None, 0, 40]),
    feather=st.sampled_from([0, 3]),
)
def test_the_hole_is_filled_whole_and_the_rest_is_left_alone(
    data: st.DataObject,
    strategy: Any,
    dtype: str,
    channels: int,
    margin: int | None,
    feather: int,
) -> None:
    before = noise(150, 210, channels, dtype)
    hole = holes(data.draw, 150, 210)
    plan = WindowPlan(strategy, margin, tile_px=32)
    told: list[float] = []
    done = inpaint(scope(before, hole, plan), paint, feather_px=feather, report=told.append)
    assert outside_unchanged(before, done.pixels, hole)
    assert done.pixels.dtype == before.dtype
    if not feather:
        assert done.pixels[hole][:, :3] == pytest.approx(51 / 255 * FULL[dtype])
    if channels == 4:
        assert np.array_equal(done.pixels[..., 3], before[..., 3])
    assert done.uncertainty == pytest.approx(2)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_a_feather_fades_from_the_rim_inward() -> None:
    before = np.full((40, 40, 3), 251, np.uint8)
    hole = np.zeros((40, 40), bool)
    hole[10:30, 10:30] = True
    done = inpaint(scope(before, hole), paint, feather_px=3)
    assert done.pixels[20, 9:15, 0].tolist() == [251, 201, 151, 101, 51, 51]


def test_windows_widen_until_there_is_something_to_copy() -> None:
    before = noise(200, 200)
    hole = np.zeros((200, 200), bool)
    hole[50:150, 50:150] = True
    sizes: list[tuple[int, ...]] = []

    def picky(view: View, report: Any) -> Filling:
        sizes.append(view.hole.shape)
        if view.hole.mean() > 0.3:
            raise NothingToCopy("Too little.")
        return paint(view, report)

    inpaint(scope(before, hole, WindowPlan(margin_px=10)), picky)
    assert sizes[0] == (120, 120)
    assert sizes[-1] == (200, 200)

    def never(view: View, report: Any) -> Filling:
        raise NothingToCopy("Nothing.")

    with pytest.raises(NothingToCopy):
        inpaint(scope(before, hole), never)


def test_a_crop_that_is_too_large_is_cut_into_tiles_and_a_whole_picture_refused() -> None:
    hole = np.zeros((300, 300), bool)
    hole[50:250, 50:250] = True
    windows = windows_of(hole, WindowPlan(margin_px=10, tile_px=100, max_pixels=20_000))
    assert len(windows) == 4
    assert all(window.outer != window.inner for window in windows)
    with pytest.raises(InvalidParameter) as refused:
        windows_of(hole, WindowPlan("original", max_pixels=20_000))
    assert refused.value.field == "hdStrategy"


@pytest.mark.parametrize("dtype", FULL)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_white_is_what_is_replaced(dtype: str, channels: int) -> None:
    drawn = np.zeros((2, 3, channels), dtype)
    drawn[..., :3] = np.array([[[0], [0.49], [0.51]], [[1], [1], [0]]]) * FULL[dtype]
    if channels == 4:
        drawn[..., 3] = FULL[dtype]
        drawn[1, 1, 3] = 0
    mask = mask_of(Picture(drawn), Picture(noise(2, 3)), "mask")
    assert mask.tolist() == [[False, False, True], [True, channels < 4, False]]


def test_a_box_covers_its_pixels_and_is_cut_at_the_edge() -> None:
    picture = Picture(noise(10, 20))
    mask = mask_of_box((-5, 2, 3.4, 4), picture)
    assert mask.sum() == 6
    assert mask[2:4, :3].all()


def test_a_mask_grows_by_a_disc_in_bands_too() -> None:
    mask = np.zeros((3000, 90), bool)
    mask[1500, 45] = True
    grown = expanded(mask, 20)
    y, x = np.nonzero(grown)
    assert np.hypot(y - 1500, x - 45).max() <= 20.5
    assert grown.sum() == pytest.approx(np.pi * 20**2, rel=0.06)
    assert expanded(mask, 0) is mask


def test_outpaint_puts_the_picture_on_a_larger_canvas() -> None:
    before = noise(6, 8, 4, "uint16")
    request = Request("outpaint", margins=Margins(left=2, bottom=3))
    found = scope_of(Picture(before), request, WindowPlan())
    assert found.picture.pixels.shape == (9, 10, 4)
    assert np.array_equal(found.picture.pixels[:6, 2:], before)
    assert (found.picture.pixels[found.hole][:, 3] == 65535).all()
    assert found.hole.sum() == 9 * 10 - 6 * 8
    with pytest.raises(InvalidParameter, match="canvas"):
        scope_of(Picture(before), Request("outpaint", margins=Margins(65_500)), WindowPlan())


def test_numbers_that_are_none_are_refused() -> None:
    picture = Picture(np.full((4, 4, 3), np.nan, np.float32), has_non_finite=True)
    with pytest.raises(UnusableMedia):
        scope_of(picture, Request("fill", box=(0, 0, 2, 2)), WindowPlan())


def test_the_seam_score_tells_a_hidden_seam_from_a_plain_one() -> None:
    picture = noise(120, 120)
    hole = np.zeros((120, 120), bool)
    hole[40:80, 40:80] = True
    assert seam_score(picture, hole) == pytest.approx(1, abs=0.1)
    smooth = np.full((120, 120, 3), 100, np.uint8)
    assert seam_score(smooth, hole) == 1
    smooth[hole] = 110
    assert seam_score(smooth, hole) > 10
    assert seam_score(smooth, np.ones_like(hole)) == 1


def test_one_changed_pixel_outside_is_noticed() -> None:
    before = noise(30, 30)
    hole = np.zeros((30, 30), bool)
    hole[3, 3] = True
    after = before.copy()
    after[3, 3] ^= 255
    assert outside_unchanged(before, after, hole)
    after[29, 29, 2] ^= 1
    assert not outside_unchanged(before, after, hole)
