"""An estimate of banding: smooth gradients that came out as steps."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.picture import Pixels

_MAX_ROWS_PIXELS: Final = 1 << 20
_LEAST_SMOOTH_SHARE: Final = 0.001
_Floats = NDArray[np.float32]


def banding_estimate(before: Pixels, after: Pixels) -> float:
    """Return the share of the change along smooth gradients that happens in visible jumps.

    Smooth means that two neighbours differ, before, by at most one 8-bit code value in every
    channel (a quarter of one where the picture is deeper, so that a grade may steepen it fourfold
    and still be fine). Over those pairs, across and down, it is the sum of what each step exceeds
    one 8-bit code value by, over the sum of the steps: 0 where every gradient still climbs code by
    code, 0.5 where every second level is lost, near 1 where it is posterised. Where fewer than a
    thousandth of the pairs are smooth there is no gradient to band, and it is 0.

    Pairs of rows are taken evenly from top to bottom, at most 2²⁰ pixels of them.

    Args:
        before: uint8, uint16 or float32, shape (height, width, 3 or 4).
        after: The graded picture, of the same height and width.
    """
    height, width = before.shape[:2]
    count = max(1, min(height - 1, _MAX_ROWS_PIXELS // (2 * max(width, 1))))
    tops = np.arange(count, dtype=np.intp) * max(height - 1, 1) // count
    limit = 1.0 if before.dtype == np.uint8 else 0.25
    excess = total = smooth_share = 0.0
    upper = _rows(before, tops), _rows(after, tops)
    pairs = [[np.diff(rows, axis=1) for rows in upper]]
    if height > 1:
        lower = _rows(before, tops + 1), _rows(after, tops + 1)
        pairs.append([b - a for a, b in zip(upper, lower, strict=True)])
    for step_before, step_after in pairs:
        smooth = (np.abs(step_before) <= limit + 1e-3).all(axis=-1)
        smooth_share += float(smooth.mean()) / len(pairs) if smooth.size else 0.0
        steps = np.abs(step_after[smooth])
        excess += float(np.maximum(steps - 1, 0).sum(dtype=np.float64))
        total += float(steps.sum(dtype=np.float64))
    return excess / total if total > 0 and smooth_share >= _LEAST_SMOOTH_SHARE else 0.0


def _rows(pixels: Pixels, tops: NDArray[np.intp]) -> _Floats:
    """Return rows as float32 in 8-bit code values."""
    scale = np.float32(255 / PEAKS[pixels.dtype.name])
    return np.clip(np.nan_to_num(pixels[tops, :, :3].astype(np.float32) * scale), 0, 255)
