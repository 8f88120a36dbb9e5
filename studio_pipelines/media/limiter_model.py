"""A quick model of what the limiter does to loudness, on 10 ms steps instead of samples."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.limiter import FAST_RELEASE_S, SUSTAINED_S
from studio_pipelines.media.loudness import Loudness, amplitude
from studio_pipelines.media.loudness_gating import STEPS_PER_SECOND, integrated_lufs

_RELEASES = (
    float(np.exp(-1 / (FAST_RELEASE_S * STEPS_PER_SECOND))),
    float(-np.expm1(-1 / (SUSTAINED_S * STEPS_PER_SECOND))),
)


@njit(cache=True, nogil=True)
def _step_gains(  # pragma: no cover - compiled
    peaks: NDArray[np.float64], ceiling: float, releases: tuple[float, float]
) -> NDArray[np.float64]:
    """Give the limiter's gain of each step: its release without its look-ahead."""
    fast, slow = releases
    released = sustained = 0.0
    gains = np.empty_like(peaks)
    for n in range(peaks.shape[0]):
        held = max(0.0, 1.0 - ceiling / peaks[n]) if peaks[n] > 0.0 else 0.0
        sustained += slow * (held - sustained)
        released = max(held, sustained + fast * (released - sustained))
        gains[n] = 1.0 - released
    return gains


def modelled_limited_lufs(before: Loudness, gain_db: float, ceiling_db: float) -> float:
    """Estimate the integrated loudness behind a gain and the limiter.

    Typically within 0.3 LU; it rises with the gain as the limiter's does, which is what a search
    needs of it.

    Args:
        before: What the programme measures.
        gain_db: Gain before the limiter.
        ceiling_db: The limiter's ceiling, dBTP.
    """
    gain = amplitude(gain_db)
    gains = gain * _step_gains(before.step_peaks * gain, amplitude(ceiling_db), _RELEASES)
    return integrated_lufs(before.step_energies * gains**2)
