"""The compiled loops of patch search: each runs over a stretch of targets, and touches no other.

A picture here is flat float32 ``values`` of CHANNELS a pixel, row by row. A target is a pixel whose
patch reaches into the hole; its source is the pixel whose patch stands for it. A patch is SIDE
pixels square, and what of a target's patch lies beyond the picture's edge does not count.

Every kernel reads one state and writes another (Jacobi), and takes its chance from a hash of the
target's number, so that the result does not depend on how many threads share the targets.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

RADIUS: Final = 3
SIDE: Final = 2 * RADIUS + 1
CHANNELS: Final = 5
COLOURS: Final = 3
_ROW: Final = SIDE * CHANNELS
NEVER: Final = np.float32(1e30)
FASTMATH: Final = {"nsz", "contract", "reassoc"}

_Floats = NDArray[np.float32]
_Ints = NDArray[np.int32]


class Ground(NamedTuple):
    """What a search reads and leaves as it is.

    Attributes:
        values: Flat, CHANNELS a pixel.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        usable: (height, width) whether a pixel can be a source: its patch is whole and known.
        number: (height, width) the target at each pixel, -1 where there is none.
        rows: (targets,) where each target is.
        columns: (targets,) where each target is.
        pull: Cost of a source's squared distance in pixels.
    """

    values: _Floats
    height: int
    width: int
    usable: NDArray[np.bool_]
    number: _Ints
    rows: _Ints
    columns: _Ints
    pull: np.float32


class Field(NamedTuple):
    """Where each target's patch comes from.

    Attributes:
        sources: (targets, 2) row and column.
        costs: (targets,) mean squared difference a pixel, and the pull.
    """

    sources: _Ints
    costs: _Floats


Candidate = tuple[Any, Any, Any]
"""A cost, and the row and column of the source that has it."""


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _distance(
    ground: Ground, row: int, column: int, at_row: Any, at_column: Any, limit: np.float32
) -> np.float32:
    """Mean squared difference a pixel of two patches; NEVER as soon as it is over the limit."""
    width, values = ground.width, ground.values
    top, bottom = max(-RADIUS, -row), min(RADIUS, ground.height - 1 - row)
    left, right = max(-RADIUS, -column), min(RADIUS, width - 1 - column)
    span = (right - left + 1) * CHANNELS
    pixels = np.float32((bottom - top + 1) * (right - left + 1))
    total, most = np.float32(0), limit * pixels
    for dy in range(top, bottom + 1):
        here = ((row + dy) * width + column + left) * CHANNELS
        there = ((at_row + dy) * width + at_column + left) * CHANNELS
        # Slices, because a sum over computed indices is not brought onto the vector unit.
        mine, other = values[here : here + span], values[there : there + span]
        part = np.float32(0)
        for k in range(mine.size):
            difference = mine[k] - other[k]
            part += difference * difference
        total += part
        if total > most:
            return NEVER
    return total / pixels


@njit(cache=True, nogil=True, error_model="numpy")
def pull_between(ground: Ground, row: int, column: int, at_row: Any, at_column: Any) -> np.float32:
    """A mild preference for near sources: fewer faces and masts appear twice."""
    down, across = np.float32(row - at_row), np.float32(column - at_column)
    return ground.pull * (down * down + across * across)


@njit(cache=True, nogil=True, error_model="numpy")
def _hash(a: int, b: int, c: int) -> np.uint32:
    x = np.uint32(a) * np.uint32(0x9E3779B1)
    x ^= np.uint32(b) * np.uint32(0x85EBCA77)
    x ^= np.uint32(c) * np.uint32(0xC2B2AE3D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x2C1B3C6D)
    x ^= x >> np.uint32(12)
    x *= np.uint32(0x297A2D39)
    return x ^ (x >> np.uint32(15))


@njit(cache=True, nogil=True, error_model="numpy")
def measure(ground: Ground, field: Field, start: int, stop: int) -> None:
    """Write what each target's source costs as the values are now."""
    for t in range(start, stop):
        row, column = ground.rows[t], ground.columns[t]
        at_row, at_column = field.sources[t, 0], field.sources[t, 1]
        cost = _distance(ground, row, column, at_row, at_column, NEVER)
        field.costs[t] = cost + pull_between(ground, row, column, at_row, at_column)


@njit(cache=True, nogil=True, error_model="numpy")
def _compare(
    ground: Ground, row: int, column: int, at_row: Any, at_column: Any, best: np.float32
) -> np.float32:
    """What a source would cost, or NEVER where it cannot be one or costs no less than ``best``."""
    if not (0 <= at_row < ground.height and 0 <= at_column < ground.width):
        return NEVER
    if not ground.usable[at_row, at_column]:
        return NEVER
    pull = pull_between(ground, row, column, at_row, at_column)
    if pull >= best:
        return NEVER
    return _distance(ground, row, column, at_row, at_column, best - pull) + pull


@njit(cache=True, nogil=True, error_model="numpy")
def _propagate(ground: Ground, sources: _Ints, t: int, jump: int, best: Candidate) -> Candidate:
    """Try what the targets 1 and ``jump`` pixels away have found."""
    row, column = ground.rows[t], ground.columns[t]
    for step in (1, jump):
        for side in range(4):
            dy = step * ((side == 0) - (side == 1))
            dx = step * ((side == 2) - (side == 3))
            y, x = row + dy, column + dx
            if not (0 <= y < ground.height and 0 <= x < ground.width):
                continue
            other = ground.number[y, x]
            if other < 0:
                continue
            at_row = np.int64(sources[other, 0]) - dy
            at_column = np.int64(sources[other, 1]) - dx
            if at_row == best[1] and at_column == best[2]:
                continue
            cost = _compare(ground, row, column, at_row, at_column, best[0])
            if cost < best[0]:
                best = (cost, at_row, at_column)
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def _guess(ground: Ground, t: int, reach: int, seed: int, best: Candidate) -> Candidate:
    """Try sources at random around the best one, ever nearer to it."""
    row, column = ground.rows[t], ground.columns[t]
    radius, turn = reach, 0
    while radius >= 1:
        chance = _hash(t, seed, turn)
        span = 2 * radius + 1
        at_row = best[1] + np.int64(chance & np.uint32(0xFFFF)) % span - radius
        at_column = best[2] + np.int64(chance >> np.uint32(16)) % span - radius
        cost = _compare(ground, row, column, at_row, at_column, best[0])
        if cost < best[0]:
            best = (cost, at_row, at_column)
        radius //= 2
        turn += 1
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def sweep(
    ground: Ground,
    before: Field,
    after: Field,
    jump: int,
    reach: int,
    seed: int,
    start: int,
    stop: int,
) -> None:
    """Improve sources: from the targets 1 and ``jump`` pixels away, then at random.

    Barnes et al., *PatchMatch: A Randomized Correspondence Algorithm for Structural Image Editing*
    (2009), with the propagation made parallel.
    """
    for t in range(start, stop):
        row, column = np.int64(before.sources[t, 0]), np.int64(before.sources[t, 1])
        best = _propagate(ground, before.sources, t, jump, (before.costs[t], row, column))
        best = _guess(ground, t, reach, seed, best)
        after.costs[t], after.sources[t, 0], after.sources[t, 1] = best
