"""The best source of all, for the few targets of the coarsest layer."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.patch_kernels import (
    CHANNELS,
    FASTMATH,
    NEVER,
    RADIUS,
    Field,
    Ground,
    pull_between,
)

_Floats = NDArray[np.float32]
_Ints = NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def _weight(ground: Ground, share: _Floats, row: int, column: int) -> np.float32:
    """Sum of the shares in a target's patch."""
    weight = np.float32(1e-6)
    for y in range(max(0, row - RADIUS), min(ground.height, row + RADIUS + 1)):
        for x in range(max(0, column - RADIUS), min(ground.width, column + RADIUS + 1)):
            weight += share[y, x]
    return weight


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _difference(
    ground: Ground,
    share: _Floats,
    row: int,
    column: int,
    at_row: int,
    at_column: int,
    most: np.float32,
) -> np.float32:
    """Sum of squared differences by share; no more rows are looked at once it is over ``most``."""
    values, width = ground.values, ground.width
    total = np.float32(0)
    for y in range(max(0, row - RADIUS), min(ground.height, row + RADIUS + 1)):
        for x in range(max(0, column - RADIUS), min(width, column + RADIUS + 1)):
            counts = share[y, x]
            if counts == 0:
                continue
            here = (y * width + x) * CHANNELS
            there = ((y + at_row - row) * width + x + at_column - column) * CHANNELS
            for c in range(CHANNELS):
                difference = values[here + c] - values[there + c]
                total += counts * difference * difference
        if total > most:
            break
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def search_all(
    ground: Ground, share: _Floats, candidates: _Ints, field: Field, start: int, stop: int
) -> None:
    """Find each target's best source among all candidates, weighting pixels by ``share``.

    Args:
        ground: The picture and its targets.
        share: (height, width) what each pixel of a target's patch counts, 0 where it is unknown.
        candidates: (n, 2) usable sources.
        field: Written: every target's best candidate and its cost.
        start: First target.
        stop: One past the last target.
    """
    for t in range(start, stop):
        row, column = ground.rows[t], ground.columns[t]
        weight = _weight(ground, share, row, column)
        best, chosen = NEVER, 0
        for candidate in range(len(candidates)):
            at_row, at_column = candidates[candidate, 0], candidates[candidate, 1]
            pull = pull_between(ground, row, column, at_row, at_column)
            most = (best - pull) * weight
            total = _difference(ground, share, row, column, at_row, at_column, most)
            if total / weight + pull < best:
                best, chosen = total / weight + pull, candidate
        field.costs[t] = best
        field.sources[t, 0] = candidates[chosen, 0]
        field.sources[t, 1] = candidates[chosen, 1]
