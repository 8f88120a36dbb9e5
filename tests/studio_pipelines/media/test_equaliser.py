"""Tone controls do what they say, and the filter follows any curve without delay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from studio_pipelines.media.equaliser import EqCurve, ToneControls
from studio_pipelines.media.minimum_phase_filter import MinimumPhaseFilter, minimum_phase_taps

RATE = 48_000
SIZE = 1 << 18


def response_db(taps: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    frequencies = np.fft.rfftfreq(SIZE, 1 / rate)
    audible = (frequencies >= 20) & (frequencies <= min(20_000, 0.45 * rate))
    return frequencies[audible], 20 * np.log10(np.abs(np.fft.rfft(taps, SIZE)))[audible]


@given(
    tilt=st.floats(-2, 2), low=st.floats(-12, 12), high=st.floats(-12, 12),
    rate=st.sampled_from([8000, 22_050, 44_100, 48_000, 192_000]),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_the_filter_follows_the_curve(tilt: float, low: float, high: float, rate: int) -> None:
    curve = ToneControls(tilt, low, high).curve()
    frequencies, found_db = response_db(minimum_phase_taps(curve, rate), rate)
    np.testing.assert_allclose(found_db, curve.at(frequencies), atol=0.1)


def test_tilt_turns_about_1_khz_and_ends_at_31_hz_and_16_khz() -> None:
    curve = ToneControls(tilt_db_per_octave=1.5).curve()
    found = curve.at(np.array([20, 31.5, 500, 1000, 2000, 16_000, 20_000]))
    expected = 1.5 * np.log2(np.array([31.5, 31.5, 500, 1000, 2000, 16_000, 16_000]) / 1000)
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_shelves_have_half_their_gain_where_they_say() -> None:
    low, high = ToneControls(low_db=6).curve(), ToneControls(high_db=-4).curve()
    np.testing.assert_allclose(low.at(np.array([20.0, 120, 2000])), [6, 3, 0], atol=0.2)
    np.testing.assert_allclose(high.at(np.array([200.0, 8000])), [0, -2], atol=0.02)


def test_curves_add_up() -> None:
    one = EqCurve(np.array([100.0, 1000]), np.array([0.0, 6]))
    other = EqCurve(np.array([316.22776, 3000]), np.array([1.0, 1]))
    both = (one + other).at(np.array([50.0, 316.22776, 1000, 9000]))
    np.testing.assert_allclose(both, [1, 4, 7, 7], atol=1e-6)


@given(cuts=st.lists(st.integers(0, 100_000), max_size=6), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_a_stream_is_filtered_like_the_whole_however_it_is_cut(cuts: list[int], seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal((100_000, 2)).astype("f4")
    curve = ToneControls(1, 3, -3).curve()
    stage = MinimumPhaseFilter(curve, RATE, 2)
    parts = [stage.process(part) for part in np.split(samples, sorted(cuts))]
    found = np.concatenate([*parts, stage.finish()])
    whole = fftconvolve(samples.astype(float), minimum_phase_taps(curve, RATE)[:, None], axes=0)
    np.testing.assert_allclose(found, whole[: len(samples)], atol=1e-5)


def test_nothing_sounds_before_its_time() -> None:
    taps = minimum_phase_taps(ToneControls(-1, 6, 3).curve(), RATE)
    assert np.abs(taps).argmax() == 0
    assert np.sum(taps[: RATE // 200] ** 2) > 0.99 * np.sum(taps**2)


@pytest.mark.parametrize("controls", [ToneControls(), ToneControls(0, 0, 0)])
def test_flat_controls_know_it(controls: ToneControls) -> None:
    assert controls.is_flat
    assert not controls.curve().gains_db.any()
