"""Three bands that sum flat: Linkwitz-Riley crossovers of the fourth order.

Low- and high-pass of each crossover are two equal Butterworth sections, whose sum is an all-pass
(Linkwitz, "Active crossover networks for noncoincident drivers", JAES 24/1, 1976). The lowest band
passes the upper crossover's all-pass too, so that all three stay in phase: what they sum to has the
magnitude of what came in.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

LOW_CROSSOVER_HZ = 160.0
HIGH_CROSSOVER_HZ = 2500.0
BANDS = 3
STATES = 9
"""Second-order sections that one channel runs through."""


def crossover_sections(sample_rate_hz: int) -> NDArray[np.float64]:
    """Design the sections for a sample rate above 5 kHz.

    Returns:
        (5, 5) float64: b0, b1, b2, a1, a2 of the low-pass and high-pass at the lower crossover, and
        of the all-pass, low-pass and high-pass at the upper one.
    """
    low_pass, high_pass, _ = _sections_at(LOW_CROSSOVER_HZ, sample_rate_hz)
    upper_low_pass, upper_high_pass, all_pass = _sections_at(HIGH_CROSSOVER_HZ, sample_rate_hz)
    return np.array([low_pass, high_pass, all_pass, upper_low_pass, upper_high_pass])


def _sections_at(frequency_hz: float, sample_rate_hz: int) -> tuple[list[float], ...]:
    """Give Butterworth low- and high-pass and the all-pass of the same poles (bilinear)."""
    k = math.tan(math.pi * frequency_hz / sample_rate_hz)
    norm = 1 / (1 + math.sqrt(2) * k + k * k)
    a1, a2 = 2 * (k * k - 1) * norm, (1 - math.sqrt(2) * k + k * k) * norm
    low = k * k * norm
    return [low, 2 * low, low, a1, a2], [norm, -2 * norm, norm, a1, a2], [a2, a1, 1.0, a1, a2]


@njit(cache=True, nogil=True, inline="always")
def _section(  # pragma: no cover - compiled
    x: float, section: NDArray[np.float64], state: NDArray[np.float64]
) -> float:
    y = section[0] * x + state[0]
    state[0] = section[1] * x - section[3] * y + state[1]
    state[1] = section[2] * x - section[4] * y
    return y


@njit(cache=True, nogil=True)
def split_bands(  # pragma: no cover - compiled
    x: NDArray[np.float32],
    sections: NDArray[np.float64],
    state: NDArray[np.float64],
    bands: NDArray[np.float64],
) -> None:
    """Split the next frames of one channel.

    Args:
        x: (frames,).
        sections: From ``crossover_sections``.
        state: (9, 2), zeros at the start.
        bands: (3, frames), written.
    """
    for n in range(x.shape[0]):
        sample = np.float64(x[n])
        low = _section(_section(sample, sections[0], state[0]), sections[0], state[1])
        rest = _section(_section(sample, sections[1], state[2]), sections[1], state[3])
        bands[0, n] = _section(low, sections[2], state[4])
        bands[1, n] = _section(_section(rest, sections[3], state[5]), sections[3], state[6])
        bands[2, n] = _section(_section(rest, sections[4], state[7]), sections[4], state[8])
    for k in range(state.shape[0]):
        if abs(state[k, 0]) + abs(state[k, 1]) < 1e-30:  # subnormal numbers are slow
            state[k, 0] = state[k, 1] = 0.0
