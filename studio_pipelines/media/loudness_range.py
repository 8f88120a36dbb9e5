"""Bring a wide loudness range to the one asked for, by slow changes of level.

The gain follows the loudness of the 3 s around each moment: passages louder than the programme's
integrated loudness are turned down, quieter ones up, all by the same share of their distance. How
large the share must be follows from the energies that were measured, for a gain this slow passes
through K-weighting as it is. What is quieter than the range's gate is raised no further than what
lies at the gate: pauses and noise stay where they are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.audio_blocks import Samples
from studio_pipelines.media.loudness import Loudness
from studio_pipelines.media.loudness_gating import (
    ABSOLUTE_GATE_LUFS,
    HOP_STEPS,
    SHORT_TERM_STEPS,
    STEPS_PER_SECOND,
    loudness_range_lu,
    lufs,
)

RANGE_TOLERANCE_LU = 0.5
MOST_LEVELLING_DB = 12.0
"""More than this up or down would be heard as another mix."""
_GATE_LU = -20.0
_SHARE_STEP = 1e-3


@dataclass(frozen=True, eq=False)
class Levelling:
    """How a programme is levelled.

    Attributes:
        gains_db: (points,) float64 at 10 Hz, the first at 0 s.
        share: Of each passage's distance from the integrated loudness that is taken away, 0 to 1.
        expected_lra_lu: Loudness range that it gives.
    """

    gains_db: NDArray[np.float64]
    share: float
    expected_lra_lu: float


def plan_levelling(before: Loudness, lra_lu: float) -> Levelling:
    """Find the least levelling that brings the range to ``lra_lu``, or as near as it gets."""
    distances_lu = _distances_lu(before)

    def levelled(share: float) -> Levelling:
        gains_db = np.clip(-share * distances_lu, -MOST_LEVELLING_DB, MOST_LEVELLING_DB)
        gains = _at_steps(gains_db, len(before.step_energies))
        return Levelling(gains_db, share, loudness_range_lu(before.step_energies * gains**2))

    low, high = 0.0, 1.0
    best = levelled(high)
    if best.expected_lra_lu > lra_lu:
        return best
    while high - low > _SHARE_STEP:
        middle = levelled((low + high) / 2)
        if middle.expected_lra_lu > lra_lu:
            low = middle.share
        else:
            high, best = middle.share, middle
    return best


def _distances_lu(before: Loudness) -> NDArray[np.float64]:
    """Give how far the 3 s around each tenth of a second are from the integrated loudness."""
    window = np.hanning(SHORT_TERM_STEPS + 2)[1:-1]
    around = (SHORT_TERM_STEPS // 2, SHORT_TERM_STEPS // 2 + HOP_STEPS)
    energies, weights = (
        np.convolve(np.pad(series, around), window, "valid")[::HOP_STEPS]
        for series in (before.step_energies, np.ones(len(before.step_energies)))
    )
    around_lufs = lufs(energies / np.maximum(weights, 1e-9))
    gate_lufs = max(ABSOLUTE_GATE_LUFS, before.integrated_lufs + _GATE_LU)
    return np.maximum(around_lufs, gate_lufs) - before.integrated_lufs


def _at_steps(gains_db: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Give the linear gains in the middle of each 10 ms, as ``Leveller`` applies them."""
    points = np.arange(len(gains_db)) * HOP_STEPS
    return np.interp(np.arange(steps) + 0.5, points, 10 ** (gains_db / 20))


class Leveller:
    """Applies a levelling to a stream of (frames, channels) float32."""

    def __init__(self, levelling: Levelling, sample_rate_hz: int, channels: int) -> None:
        self._gains = 10 ** (levelling.gains_db / 20)
        self._times_frames = np.arange(len(self._gains)) * (
            HOP_STEPS * sample_rate_hz / STEPS_PER_SECOND
        )
        self._channels = channels
        self._position = 0

    def process(self, samples: Samples, /) -> Samples:
        """Take the next block and give it levelled."""
        frames = np.arange(self._position, self._position + len(samples))
        self._position += len(samples)
        gains = np.interp(frames, self._times_frames, self._gains)
        return samples * gains.astype(np.float32)[:, None]

    def finish(self) -> Samples:
        """Give nothing, for nothing is held back."""
        return np.empty((0, self._channels), np.float32)
