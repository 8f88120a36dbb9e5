"""Gated loudness and loudness range of a series of energies, ITU-R BS.1770-5 and EBU R 128."""

import math

import numpy as np
from numpy.typing import NDArray

ABSOLUTE_GATE_LUFS = -70.0
STEPS_PER_SECOND = 100
HOP_STEPS = 10
MOMENTARY_STEPS = 40
SHORT_TERM_STEPS = 300
_RELATIVE_GATE_LU = -10.0
_RANGE_GATE_LU = -20.0


def integrated_lufs(step_energies: NDArray[np.float64]) -> float:
    """Gate 0.4 s blocks that overlap by 75 % and average what is left (BS.1770-5 Annex 1).

    Args:
        step_energies: (steps,) channel-weighted mean squares of consecutive 10 ms.

    Returns:
        LUFS; -inf where no block reaches -70 LUFS.
    """
    blocks = sliding_mean(step_energies, MOMENTARY_STEPS)[MOMENTARY_STEPS - 1 :: HOP_STEPS]
    return float(lufs(_gated(blocks, _RELATIVE_GATE_LU).mean())) if blocks.any() else -math.inf


def _gated(energies: NDArray[np.float64], relative_gate_lu: float) -> NDArray[np.float64]:
    audible = energies[lufs(energies) > ABSOLUTE_GATE_LUFS]
    if not audible.size:
        return np.zeros(1)
    return audible[audible > audible.mean() * 10 ** (relative_gate_lu / 10)]


def loudness_range_lu(step_energies: NDArray[np.float64]) -> float:
    """Give the loudness range of consecutive 10 ms in LU; 0 for less than 3 s."""
    windows = sliding_mean(step_energies, SHORT_TERM_STEPS)
    return short_term_range_lu(windows[SHORT_TERM_STEPS - 1 :: HOP_STEPS])


def short_term_range_lu(short_term: NDArray[np.float64]) -> float:
    """EBU Tech 3342: from the 10th to the 95th percentile, ranks rounded as in its listing.

    Args:
        short_term: (windows,) channel-weighted mean squares of 3 s each.
    """
    gated = np.sort(_gated(short_term, _RANGE_GATE_LU)) if short_term.any() else np.ones(1)
    low, high = (gated[math.floor((gated.size - 1) * share + 0.5)] for share in (0.10, 0.95))
    return float(lufs(high) - lufs(low)) if low > 0 else 0.0


def sliding_mean(steps: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Average over the ``width`` steps (a multiple of ten) up to each; silence precedes the first.

    Sums of ten and then sums of those, because running sums would leave residues in silence.
    """
    padded = np.concatenate([np.zeros(width - 1), steps])
    if not steps.size:
        return steps
    tens = np.lib.stride_tricks.sliding_window_view(padded, 10).sum(axis=1)
    total = np.zeros(steps.size)
    for start in range(0, width, 10):
        total += tens[start : start + steps.size]
    return total / width


def lufs(energies: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Turn channel-weighted mean squares into LUFS; -inf for 0."""
    with np.errstate(divide="ignore"):
        return -0.691 + 10 * np.log10(energies)
