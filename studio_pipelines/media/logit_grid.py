"""A network's coarse grid of logits, brought to a picture's pixels.

The logits are interpolated and then cut, so that an edge lies between two cells where the network
says it does. Only the rectangle that can hold the mask is computed, row by row, straight into the
mask: for a picture of 100 megapixels there is never more than that mask.
"""

from typing import Any, Final

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.mask_region import Mask, Region
from studio_pipelines.media.segment_frame import Frame, Window

_Floats = NDArray[np.float32]
_cv: Any = cv2  # half of it has no types

STABILITY_SHIFT: Final = 1.0
# Of a cubic curve through the cells (Catmull and Rom, 1974), a value leans on two on each side.
_REACH: Final = 2


def region_of(logits: _Floats, frame: Frame, width_px: int, height_px: int) -> Region:
    """Return the pixels at which interpolated logits are above 0.

    Args:
        logits: (cells, cells) over the square that the network saw.
        frame: The window of the picture, and where it lies in that square.
        width_px: The picture's width.
        height_px: The picture's height.
    """
    columns, rows = frame.valid_cells(len(logits))
    grid = np.ascontiguousarray(logits[:rows, :columns])
    across, down = frame.to_grid(len(logits))
    window = frame.window
    occupied = np.argwhere(grid > 0)
    left, right = _span(occupied[:, 1], *across, window.width_px)
    top, bottom = _span(occupied[:, 0], *down, window.height_px)
    mask = np.empty((bottom - top, right - left), bool)
    taps, weights = _curve(np.arange(left, right, dtype=np.int64), *across, columns)
    for part in bands(bottom - top, max(1, right - left)):
        at, shares = _curve(
            np.arange(top + part.start, top + part.stop, dtype=np.int64), *down, rows
        )
        _cut(grid, at, shares, taps, weights, mask[part])
    place = Window(window.left + left, window.top + top, right - left, bottom - top)
    return Region.of(mask, place, width_px, height_px)


def stability(logits: _Floats, frame: Frame) -> float:
    """Return how little a mask depends on where its logits are cut, 0 to 1.

    It is the area above 1 over the area above -1 (Segment Anything, appendix B).
    """
    columns, rows = frame.valid_cells(len(logits))
    grid = logits[:rows, :columns]
    wide = int(np.count_nonzero(grid > -STABILITY_SHIFT))
    return int(np.count_nonzero(grid > STABILITY_SHIFT)) / wide if wide else 0.0


def logits_of(mask: Mask, frame: Frame, cells: int) -> _Floats:
    """Return a drawn mask as the logits that a network can begin from.

    Args:
        mask: (height, width) of the whole picture.
        frame: What the network sees of it.
        cells: Of the network's grid, on each side.
    """
    # As Meta's own code has it for SAM 2: a share of 0.999 inside, whose logit is 6.9.
    sure = 1e-3
    columns, rows = (max(1, round(seen * cells / frame.side_px)) for seen in frame.seen_px)
    drawn = mask[frame.window.slices].astype(np.uint8) * np.uint8(255)
    codes: NDArray[np.uint8] = _cv.resize(drawn, (columns, rows), interpolation=cv2.INTER_AREA)
    shares = np.clip(codes.astype(np.float32) / 255, sure, 1 - sure)
    logits = np.full((cells, cells), np.log(sure / (1 - sure)), np.float32)
    logits[:rows, :columns] = np.log(shares / (1 - shares))
    return logits


def _span(cells: NDArray[np.int64], step: float, offset: float, length: int) -> tuple[int, int]:
    """Return the pixels, first and past the last, that these cells can reach."""
    if not len(cells):
        return 0, 0
    first = (int(cells.min()) - _REACH - offset) / step
    last = (int(cells.max()) + _REACH - offset) / step
    return max(0, int(np.floor(first))), min(length, int(np.ceil(last)) + 1)


def _curve(
    pixels: NDArray[np.int64], step: float, offset: float, cells: int
) -> tuple[NDArray[np.int64], _Floats]:
    """Return which four cells each pixel's value leans on, (n, 4), and how much on each."""
    place = pixels * step + offset
    whole = np.floor(place)
    t = place - whole
    weights = np.stack(
        [
            t * (-0.5 + t * (1 - 0.5 * t)),
            1 + t * t * (-2.5 + 1.5 * t),
            t * (0.5 + t * (2 - 1.5 * t)),
            t * t * (-0.5 + 0.5 * t),
        ],
        axis=1,
    )
    taps = whole.astype(np.int64)[:, None] + np.arange(-1, 3)
    return np.clip(taps, 0, cells - 1), weights.astype(np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _cut(
    grid: _Floats, at: Any, shares: _Floats, taps: Any, weights: _Floats, out: Any
) -> None:  # pragma: no cover - compiled
    line = np.empty(grid.shape[1], np.float32)
    for y in range(out.shape[0]):
        for c in range(grid.shape[1]):
            value = np.float32(0)
            for k in range(4):
                value += shares[y, k] * grid[at[y, k], c]
            line[c] = value
        for x in range(out.shape[1]):
            value = np.float32(0)
            for k in range(4):
                value += weights[x, k] * line[taps[x, k]]
            out[y, x] = value > 0
