"""Bring two depth maps of the same thing to one scale and shift.

A network's relative depth is only known up to both, anew for each tile and each frame.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]
_ROUNDS: Final = 8
_MOST_SAMPLES: Final = 40_000
_SOFTNESS: Final = 1.5
"""Of the typical deviation: what lies farther off counts less, by its inverse (Huber's weight)."""
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Alignment:
    """``scale`` times the values plus ``shift``; the scale is above 0."""

    scale: float = 1.0
    shift: float = 0.0

    def apply(self, values: _Floats) -> _Floats:
        """Return the values on the other's scale."""
        return values * np.float32(self.scale) + np.float32(self.shift)


def aligned(values: Any, target: Any, trusted: Any = None) -> Alignment:
    """Find what brings values closest to others of the same places, outliers counting little.

    Args:
        values: Any shape.
        target: Of the same shape.
        trusted: Where both show the same thing, or None for everywhere.

    Returns:
        By iteratively reweighted least squares; where they do not rise together, or there is
        nothing to go by, what makes their middles and spreads equal.
    """
    first, second = np.ravel(values).astype(np.float64), np.ravel(target).astype(np.float64)
    if trusted is not None:
        kept = np.ravel(trusted)
        first, second = first[kept], second[kept]
    step = max(1, len(first) // _MOST_SAMPLES)
    first, second = first[::step], second[::step]
    if not len(first):
        return Alignment()
    spread_first, spread_second = _spread(first), _spread(second)
    if spread_first <= _TINY * max(1.0, float(np.abs(first).max())):
        return Alignment(1.0, float(np.median(second) - np.median(first)))
    plain = spread_second / spread_first or 1.0
    found = Alignment(plain, float(np.median(second) - plain * np.median(first)))
    for _ in range(_ROUNDS):
        apart = np.abs(second - found.scale * first - found.shift)
        limit = _SOFTNESS * float(np.median(apart)) + _TINY * max(spread_second, _TINY)
        weights = np.minimum(1.0, limit / np.maximum(apart, _TINY * limit + 1e-300))
        total = weights.sum()
        middle, other = (weights @ one / total for one in (first, second))
        rise = weights @ ((first - middle) * (second - other))
        scale = rise / max(weights @ (first - middle) ** 2, 1e-300)
        if scale <= 0:
            break
        found = Alignment(float(scale), float(other - scale * middle))
    return found


def _spread(values: NDArray[np.float64]) -> float:
    return float(np.abs(values - np.median(values)).mean())


class SteadyDepth:
    """Keeps a video's depth on one scale and shift, frame by frame.

    Each frame is aligned with the one before where the picture has stayed the same. Their middles
    and spreads are made equal there, not their squares least: least squares shrink a noisy map a
    little each time, and a film has thousands of frames.
    """

    _SAME: Final = 0.04  # of full scale: a change of colour that is taken for noise
    _LEAST_SHARE: Final = 0.02

    def __init__(self) -> None:
        """Begin with nothing."""
        self._before: tuple[_Floats, _Floats] | None = None

    def next(self, values: _Floats, codes: _Floats) -> _Floats:
        """Return a frame's values on the scale of the first.

        Args:
            values: Shape (height, width).
            codes: The frame's code values, 0 to 1, shape (height, width, 3).
        """
        if self._before is not None and self._before[0].shape == values.shape:
            earlier, seen = self._before
            still = np.abs(codes - seen).max(axis=-1) < self._SAME
            if still.mean() < self._LEAST_SHARE:
                still = np.ones_like(still)
            values = _levelled(values, earlier, still).apply(values)
        self._before = (values, codes)
        return values


def _levelled(values: _Floats, target: _Floats, still: Any) -> Alignment:
    first, second = values[still].astype(np.float64), target[still].astype(np.float64)
    spread = _spread(first)
    scale = _spread(second) / spread if spread > _TINY else 1.0
    scale = scale or 1.0
    return Alignment(scale, float(np.median(second) - scale * np.median(first)))
