"""True peak against the continuous signal, against libebur128, and its bounds."""

import numpy as np
import pyebur128
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.media.true_peak import (
    TAPS_PER_PHASE,
    TruePeakMeter,
    interpolators,
    interval_peaks,
    true_peak,
)

RATE = 48_000


def db(value: float) -> float:
    return 20 * np.log10(value)


def noise(seed: int, frames: int = 20_000, channels: int = 2) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal((frames, channels))).astype("f4")


def libebur128_peak(samples: np.ndarray, rate: int) -> float:
    padded = np.pad(samples, ((0, 100), (0, 0)))
    state = pyebur128.R128State(samples.shape[1], rate, pyebur128.MeasurementMode.MODE_TRUE_PEAK)
    state.add_frames(np.ascontiguousarray(padded).reshape(-1), len(padded))
    return max(pyebur128.get_true_peak(state, c) for c in range(samples.shape[1]))


@pytest.mark.parametrize("divisor", [3, 4, 5.3, 6, 8, 11, 48, 441])
@pytest.mark.parametrize("phase_deg", [0, 20, 45, 60, 67.5, 90])
def test_reads_the_amplitude_of_a_tone(divisor: float, phase_deg: float) -> None:
    n = np.arange(RATE)
    ramp = np.minimum(1, np.minimum(n, n[::-1]) / 4000)
    tone = 0.5 * ramp * np.sin(2 * np.pi * n / divisor + np.deg2rad(phase_deg))
    # Near a third of the rate it is libebur128's short filter that reads up to 0.11 dB high.
    assert -0.05 < db(true_peak(tone.astype("f4")[:, None], RATE) / 0.5) < 0.12


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("seed", range(4))
def test_never_reads_less_than_libebur128(rate: int, seed: int) -> None:
    samples = noise(seed)
    theirs = libebur128_peak(samples, rate)
    assert true_peak(samples, rate) >= theirs * (1 - 1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0, 3), st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_a_threshold_changes_nothing_above_it(seed: int, threshold: float, frames: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, frames + TAPS_PER_PHASE - 1)
    planar = (rng.standard_normal(shape) * rng.random(shape) ** 4).astype("f4")
    filters = interpolators(RATE)
    full = interval_peaks(planar, filters, 0.0)
    skipped = interval_peaks(planar, filters, threshold)
    above = full > threshold
    np.testing.assert_array_equal(skipped[above], full[above])
    assert (skipped[~above] <= threshold).all()


def test_the_gain_bound_is_reached_by_the_worst_signal_and_not_passed() -> None:
    filters = interpolators(RATE)
    worst = filters.weights[np.abs(filters.weights).sum(axis=1).argmax()]
    peak = true_peak(np.sign(worst)[:, None].astype("f4"), RATE)
    assert 0.9999 * filters.gain_bound < peak <= filters.gain_bound


@given(st.lists(st.integers(0, 5000), max_size=6))
@settings(max_examples=20, deadline=None)
def test_blocks_give_what_the_whole_gives(cuts: list[int]) -> None:
    samples = noise(7, 5000)
    meter = TruePeakMeter(RATE, 2)
    for block in np.split(samples, sorted(cuts)):
        meter.update(block)
    meter.finish()
    assert meter.true_peak == true_peak(samples, RATE)
    assert meter.sample_peak == np.abs(samples).max()


def test_silence_and_nothing_read_zero() -> None:
    assert true_peak(np.zeros((1000, 2), "f4"), RATE) == 0
    assert true_peak(np.zeros((0, 2), "f4"), RATE) == 0
