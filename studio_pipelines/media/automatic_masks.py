"""Masks of everything in a picture, without a prompt: a grid of clicks, and what is left of them.

After Kirillov et al., *Segment Anything*, section 5 and appendix B: of the masks that the clicks
give, those stay that the network is sure of, that hardly change where their logits are cut, and
that are no copy of a better one. Large pictures are looked at once more in overlapping windows.

Theirs asks all of 32 x 32 clicks. Here the coarsest ones are always asked, the others only where no
mask has been found yet: a click within the smallest mask of an earlier one mostly gives the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.mask_region import Mask
from studio_pipelines.media.seen_picture import SeenPicture
from studio_pipelines.media.segment_frame import Frame
from studio_pipelines.media.segmentation import INSIDE, Found, Prompt, Segmenter, ask

Box = tuple[float, float, float, float]
Report = Callable[[float], object]

# Of the points along a side, one in so many is always asked.
ASKED_OF_A_SIDE: Final = 4
# What a window cuts off is found whole in another one: such masks end within this share of its
# side from an edge that is not the picture's.
_EDGE_SHARE: Final = 0.01


@dataclass(frozen=True)
class Thresholds:
    """Which masks stay; the defaults are Segment Anything's.

    Attributes:
        score: The least overlap by the network's own estimate.
        stability: The least share of the mask that stays where its logits are cut higher.
        overlap: Two masks are one where they overlap by more than this. (Theirs compares boxes,
            which takes a frame and what it frames for one.)
    """

    score: float = 0.88
    stability: float = 0.95
    overlap: float = 0.7


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mask that a click gave.

    Attributes:
        found: The mask.
        box: Left, top, right and bottom in the picture, as exact as the network's grid.
        point: Where the click was.
    """

    found: Found
    box: Box
    point: tuple[float, float]


def masks_in(
    segmenter: Segmenter,
    seen: SeenPicture,
    points_a_side: int,
    thresholds: Thresholds,
    report: Report,
) -> list[Candidate]:
    """Return the masks of one window, the surest first.

    Args:
        segmenter: The network.
        seen: What it knows of the window.
        points_a_side: Clicks along each side of it.
        thresholds: Which masks stay.
        report: Is told the share of the clicks that are done.
    """
    explained = np.zeros((segmenter.mask_cells,) * 2, bool)
    kept: list[Candidate] = []
    for at_once, share in _batches(segmenter, seen.frame, points_a_side, explained):
        prompts = [
            Prompt(at_once[n : n + 1], np.array([INSIDE], np.float32)) for n in range(len(at_once))
        ]
        answers = ask(segmenter, seen, prompts, several=True)
        for prompt, masks in zip(prompts, answers, strict=True):
            sure = [one for one in masks if _is_sure(one, thresholds)]
            x, y = prompt.points[0].tolist()
            kept += [Candidate(one, box_of(one), (x, y)) for one in sure]
            if sure:
                explained |= min((one.logits > 0 for one in sure), key=np.count_nonzero)
        report(share)
    kept = [one for one in kept if not _is_cut_off(one, seen)]
    return without_copies(kept, thresholds.overlap)


def _is_sure(found: Found, thresholds: Thresholds) -> bool:
    return found.score >= thresholds.score and found.stability >= thresholds.stability


def _batches(
    segmenter: Segmenter, frame: Frame, points_a_side: int, explained: Mask
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """Yield clicks, (n, 2) in the picture, as many as are decoded at a time, and the share done.

    Args:
        segmenter: Says how many that are.
        frame: The window.
        points_a_side: Along each side of it.
        explained: The cells that have a mask; read anew before each batch.
    """
    waiting: list[tuple[float, float]] = []
    grid = grid_points(points_a_side)
    window, cells = frame.window, len(explained)
    for number, (x, y, always) in enumerate(grid):
        column, row = (
            int(share * seen * cells / frame.side_px)
            for share, seen in zip((x, y), frame.seen_px, strict=True)
        )
        if always or not explained[row, column]:
            waiting.append((window.left + x * window.width_px, window.top + y * window.height_px))
        last = number == len(grid) - 1
        if waiting and (last or len(waiting) == segmenter.prompts_at_a_time):
            yield np.array(waiting, np.float32), (number + 1) / len(grid)
            waiting = []


def grid_points(a_side: int) -> list[tuple[float, float, bool]]:
    """Return an even grid of points, those far from each other first.

    Args:
        a_side: Points along each side.

    Returns:
        x and y as shares of the sides, and whether the point is one of the coarse grid that is
        always asked.
    """
    step = max(1, -(-a_side // _always_asked(a_side)))
    ranks = [_rank(n, step) for n in range(a_side)]
    order = sorted((max(ranks[i], ranks[j]), i, j) for i in range(a_side) for j in range(a_side))
    return [((j + 0.5) / a_side, (i + 0.5) / a_side, rank == 0) for rank, i, j in order]


def _always_asked(a_side: int) -> int:
    """Return how many of the points along a side are asked whatever has been found."""
    return max(1, a_side // ASKED_OF_A_SIDE)


def _rank(number: int, step: int) -> int:
    """Return in which round a row or column comes: every ``step``-th first, then between them."""
    rank, first = 0, step // 2
    while step > 1 and number % step != first % step:
        step, rank = -(-step // 2), rank + 1
    return rank


def box_of(found: Found) -> Box:
    """Return a mask's box in the picture, as exact as the network's grid."""
    frame, cells = found.frame, len(found.logits)
    columns, rows = frame.valid_cells(cells)
    inside = found.logits[:rows, :columns] > 0
    edges: list[tuple[float, float]] = []
    first = (frame.window.left, frame.window.top)
    size = (frame.window.width_px, frame.window.height_px)
    for axis in (0, 1):
        occupied = np.flatnonzero(inside.any(axis=axis))
        if not len(occupied):
            return (0, 0, 0, 0)
        cell_px = frame.side_px / cells / frame.scale[axis]
        start = min(occupied[0] * cell_px, size[axis])
        end = min((occupied[-1] + 1) * cell_px, size[axis])
        edges.append((first[axis] + float(start), first[axis] + float(end)))
    (left, right), (top, bottom) = edges
    return (left, top, right, bottom)


def _is_cut_off(one: Candidate, seen: SeenPicture) -> bool:
    edges, picture = seen.frame.window.corners, (0, 0, seen.width_px, seen.height_px)
    sides = (seen.frame.window.width_px, seen.frame.window.height_px) * 2
    return any(
        edge != end and abs(found - edge) <= _EDGE_SHARE * side
        for found, edge, end, side in zip(one.box, edges, picture, sides, strict=True)
    )


def without_copies(candidates: Sequence[Candidate], overlap: float) -> list[Candidate]:
    """Return one window's masks without those that are nearly a surer one's copy, surest first."""
    kept: list[Candidate] = []
    masks: list[Mask] = []
    for one in sorted(candidates, key=lambda one: -one.found.score * one.found.stability):
        mask = one.found.logits > 0
        if all(_iou(mask, other) <= overlap for other in masks):
            kept.append(one)
            masks.append(mask)
    return kept


def joined(windows: Sequence[Sequence[Candidate]], overlap: float) -> list[Candidate]:
    """Return the masks of several windows without copies; that of the smaller window stays.

    Args:
        windows: The masks of each, the largest window first.
        overlap: Masks are one where their boxes overlap by more than this.
    """
    kept: list[Candidate] = []
    for masks in reversed(windows):
        others = list(kept)
        kept += [
            one for one in masks if all(box_iou(one.box, other.box) <= overlap for other in others)
        ]
    return kept


def box_iou(one: Box, other: Box) -> float:
    """Return the area that two boxes share, over the area that either covers."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


def _iou(one: Mask, other: Mask) -> float:
    both = int(np.count_nonzero(one & other))
    return both / max(1, int(np.count_nonzero(one)) + int(np.count_nonzero(other)) - both)
