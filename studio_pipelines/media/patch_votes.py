"""What the pixels of a hole take from the patches that lie over them."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.patch_kernels import CHANNELS, FASTMATH, RADIUS, Ground

_LEAST_WEIGHT: Final = np.float32(1e-12)
# How soon a copied pixel's own patch is preferred to those of its neighbours.
_CENTRING: Final = 0.15

_Floats = NDArray[np.float32]
_Ints = NDArray[np.int32]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def vote(
    ground: Ground,
    hole: _Ints,
    sources: _Ints,
    weights: _Floats,
    out: _Floats,
    start: int,
    stop: int,
) -> None:
    """Give each pixel of the hole the weighted mean of what the patches over it hold there.

    Wexler, Shechtman and Irani, *Space-Time Completion of Video* (2007).

    Args:
        ground: The picture and its targets.
        hole: (pixels, 2) row and column.
        sources: (targets, 2).
        weights: (targets,) of each patch.
        out: Flat, written at the hole; may not be the ground's own values.
        start: First pixel of the hole.
        stop: One past the last.
    """
    width = ground.width
    total = np.zeros(CHANNELS, np.float32)
    for k in range(start, stop):
        row, column = hole[k, 0], hole[k, 1]
        total[:] = 0
        weight = np.float32(0)
        for dy in range(max(-RADIUS, -row), min(RADIUS, ground.height - 1 - row) + 1):
            for dx in range(max(-RADIUS, -column), min(RADIUS, width - 1 - column) + 1):
                t = ground.number[row + dy, column + dx]
                if t < 0:
                    continue
                counts = weights[t] + _LEAST_WEIGHT
                there = ((sources[t, 0] - dy) * width + sources[t, 1] - dx) * CHANNELS
                for c in range(CHANNELS):
                    total[c] += counts * ground.values[there + c]
                weight += counts
        here = (row * width + column) * CHANNELS
        for c in range(CHANNELS):
            out[here + c] = total[c] / weight


@njit(cache=True, nogil=True, error_model="numpy")
def choose(
    ground: Ground,
    hole: _Ints,
    sources: _Ints,
    weights: _Floats,
    chosen: _Ints,
    start: int,
    stop: int,
) -> None:
    """Write, for each pixel of the hole, the one pixel that the heaviest patch over it holds there.

    Args:
        ground: The picture and its targets.
        hole: (pixels, 2) row and column.
        sources: (targets, 2).
        weights: (targets,) of each patch.
        chosen: (pixels, 2), written: row and column of the pixel to copy.
        start: First pixel of the hole.
        stop: One past the last.
    """
    for k in range(start, stop):
        row, column = hole[k, 0], hole[k, 1]
        heaviest = np.float32(-1)
        for dy in range(max(-RADIUS, -row), min(RADIUS, ground.height - 1 - row) + 1):
            for dx in range(max(-RADIUS, -column), min(RADIUS, ground.width - 1 - column) + 1):
                t = ground.number[row + dy, column + dx]
                if t < 0:
                    continue
                counts = weights[t] + _LEAST_WEIGHT
                counts *= np.float32(np.exp(-_CENTRING * (dy * dy + dx * dx)))
                if counts > heaviest:
                    heaviest = counts
                    chosen[k, 0], chosen[k, 1] = sources[t, 0] - dy, sources[t, 1] - dx
