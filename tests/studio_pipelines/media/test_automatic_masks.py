"""Everything in a picture: which clicks are asked, and which masks stay."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipelines.media.automatic_masks import (
    Candidate,
    Thresholds,
    box_iou,
    grid_points,
    joined,
    masks_in,
    without_copies,
)
from studio_pipelines.media.seen_picture import SeenPicture
from studio_pipelines.media.segment_frame import Frame, Window
from studio_pipelines.media.segmentation import Found

CELLS = 64
WHOLE = Frame(Window(0, 0, 256, 256), 256, keeps_shape=True)


def square(left: int, top: int, side: int) -> np.ndarray:
    logits = np.full((CELLS, CELLS), -9, np.float32)
    logits[top : top + side, left : left + side] = 9
    return logits


def candidate(logits: np.ndarray, score: float = 0.95) -> Candidate:
    rows, columns = np.nonzero(logits > 0)
    box = (columns.min() * 4.0, rows.min() * 4.0, columns.max() * 4 + 4.0, rows.max() * 4 + 4.0)
    return Candidate(Found(logits, score, WHOLE), box, (0, 0))


class Squares:
    """A segmenter of a picture of squares: a click gives the one it is on, and two unsure masks."""

    side_px, mask_cells, keeps_shape, prompts_at_a_time = 256, CELLS, True, 4

    def __init__(self, squares: list[np.ndarray]) -> None:
        self.squares = squares
        self.asked = 0

    def encode(self, colours: np.ndarray) -> dict[str, np.ndarray]:
        return {}

    def decode(
        self,
        known: Mapping[str, np.ndarray],
        points: np.ndarray,
        labels: np.ndarray,
        logits: np.ndarray | None = None,
        *,
        several: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        masks, scores = [], []
        for ((x, y),) in points:
            self.asked += 1
            at = [one for one in self.squares if one[int(y + 0.5) // 4, int(x + 0.5) // 4] > 0]
            masks.append([at[0] if at else square(0, 0, 0), square(0, 0, 5), square(3, 3, 40)])
            scores.append([0.95 if at else 0.1, 0.5, 0.6])
        return np.array(masks), np.array(scores, np.float32)

    def stop(self) -> None:
        raise AssertionError("nobody stopped it")


@given(st.integers(1, 64))
def test_the_grid_is_whole_and_even(a_side: int) -> None:
    points = grid_points(a_side)
    assert len({(x, y) for x, y, _ in points}) == a_side**2
    assert sorted({x for x, _, _ in points}) == [(n + 0.5) / a_side for n in range(a_side)]
    always = [asked for _, _, asked in points]
    assert always == sorted(always, reverse=True), "the coarse ones come first"
    assert 1 <= sum(always) <= max(1, 2 + a_side // 4) ** 2


def test_everything_is_found_with_few_questions() -> None:
    squares = [square(4, 4, 24), square(36, 8, 16), square(30, 40, 20)]
    network = Squares(squares)
    seen = SeenPicture(256, 256, WHOLE, np.zeros((1024, 1024, 3), np.uint8), {}, has_holes=False)
    shares: list[float] = []
    found = masks_in(network, seen, 32, Thresholds(), shares.append)
    assert len(found) == 3
    for one in squares:
        assert any(np.array_equal(mask.found.logits, one) for mask in found)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    covered = np.mean(np.max(squares, axis=0) > 0)
    assert network.asked < (1 - covered) * 32**2 + 8**2


@pytest.mark.parametrize(
    ("thresholds", "kept"),
    [(Thresholds(), 1), (Thresholds(score=0.4), 3), (Thresholds(score=0.55), 2)],
)
def test_only_what_is_sure_stays(thresholds: Thresholds, kept: int) -> None:
    network = Squares([square(20, 20, 30)])
    seen = SeenPicture(256, 256, WHOLE, np.zeros((1024, 1024, 3), np.uint8), {}, has_holes=False)
    assert len(masks_in(network, seen, 8, thresholds, lambda _: None)) == kept


def test_what_a_window_cuts_off_is_left_to_another() -> None:
    frame = Frame(Window(0, 0, 256, 256), 256, keeps_shape=True)
    view = np.zeros((1024, 1024, 3), np.uint8)
    seen = SeenPicture(500, 256, frame, view, {}, has_holes=False)
    network = Squares([square(44, 10, 20), square(0, 30, 20)])
    (kept,) = masks_in(network, seen, 16, Thresholds(), lambda _: None)
    assert kept.box == (0, 120, 80, 200), "the picture's own edge cuts nothing off"


def test_of_copies_the_surest_stays() -> None:
    one, copy = candidate(square(10, 10, 30)), candidate(square(11, 10, 30), 0.99)
    other = candidate(square(45, 10, 10), 0.9)
    assert without_copies([one, copy, other], 0.7) == [copy, other]
    ring = square(10, 10, 30) - 18 * (square(12, 12, 26) > 0)
    inner = candidate(square(12, 12, 26))
    assert box_iou(candidate(ring).box, inner.box) > 0.7
    assert len(without_copies([candidate(ring), inner], 0.7)) == 2, "a frame is not its content"


def test_of_two_windows_the_smaller_ones_mask_stays() -> None:
    large, small = candidate(square(10, 10, 30)), candidate(square(11, 10, 30))
    other = candidate(square(45, 10, 10))
    assert joined([[large, other], [small]], 0.7) == [small, other]


def test_boxes_overlap() -> None:
    assert box_iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert box_iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0
