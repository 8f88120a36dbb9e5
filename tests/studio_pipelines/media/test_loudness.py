"""The own meter against libebur128 and pyloudnorm, and the edges of what can be measured."""

import math

import numpy as np
import pyebur128
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.k_weighting import channel_weights, k_weighting
from studio_pipelines.media.loudness import LoudnessMeter, measure
from studio_pipelines.media.loudness_gating import integrated_lufs, short_term_range_lu

Mode = pyebur128.MeasurementMode


def programme(rate: int, channels: int = 2, seconds: int = 20, seed: int = 1) -> np.ndarray:
    """Noise of pink tilt whose level wanders by 30 dB."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((rate * seconds, channels)), axis=0)
    spectrum /= np.sqrt(np.arange(len(spectrum)) + 1)[:, None]
    sound = np.fft.irfft(spectrum, rate * seconds, axis=0)
    knots = rng.uniform(-30, 0, seconds + 1)
    level = np.interp(np.arange(len(sound)) / rate, np.arange(seconds + 1), knots)
    sound *= 10 ** (level / 20)[:, None]
    return (sound / np.abs(sound).max() * 0.9).astype("f4")


def libebur128(samples: np.ndarray, rate: int) -> "pyebur128.R128State":
    state = pyebur128.R128State(samples.shape[1], rate, Mode.MODE_I | Mode.MODE_LRA)
    state.add_frames(np.ascontiguousarray(samples).reshape(-1), len(samples))
    return state


@pytest.mark.parametrize("rate", [8_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000])
def test_integrated_agrees_with_libebur128_at_every_rate(rate: int) -> None:
    samples = programme(rate)
    theirs = pyebur128.get_loudness_global(libebur128(samples, rate))
    assert measure(samples, rate).integrated_lufs == pytest.approx(theirs, abs=0.002)


@pytest.mark.parametrize("channels", range(1, 7))
def test_integrated_agrees_with_libebur128_for_every_number_of_channels(channels: int) -> None:
    samples = programme(48_000, channels)
    theirs = pyebur128.get_loudness_global(libebur128(samples, 48_000))
    assert measure(samples, 48_000).integrated_lufs == pytest.approx(theirs, abs=0.002)


def test_integrated_agrees_with_pyloudnorm() -> None:
    samples = programme(48_000)
    meter = pyloudnorm.Meter(48_000, filter_class="DeMan")
    theirs = meter.integrated_loudness(samples.astype(float))
    assert measure(samples, 48_000).integrated_lufs == pytest.approx(theirs, abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_range_agrees_with_libebur128(seed: int) -> None:
    samples = programme(48_000, seconds=60, seed=seed)
    theirs = pyebur128.get_loudness_range(libebur128(samples, 48_000))
    # libebur128 reads the short-term loudness once a second, we read it ten times.
    once_a_second = 10 ** ((measure(samples, 48_000).short_term_lufs[29::10] + 0.691) / 10)
    assert short_term_range_lu(once_a_second) == pytest.approx(theirs, abs=0.002)


def test_curves_agree_with_libebur128() -> None:
    samples = programme(48_000)
    ours = measure(samples, 48_000)
    state = pyebur128.R128State(2, 48_000, Mode.MODE_M | Mode.MODE_S)
    momentary, short_term = [], []
    for block in np.split(samples, len(samples) // 4800):
        state.add_frames(np.ascontiguousarray(block).reshape(-1), len(block))
        momentary.append(pyebur128.get_loudness_momentary(state))
        short_term.append(pyebur128.get_loudness_shortterm(state))
    np.testing.assert_allclose(ours.momentary_lufs, momentary, atol=0.002)
    np.testing.assert_allclose(ours.short_term_lufs, short_term, atol=0.002)


@given(st.lists(st.integers(0, 30_000), max_size=8), st.sampled_from([8_000, 22_050, 44_100]))
@settings(max_examples=20, deadline=None)
def test_blocks_give_what_the_whole_gives(cuts: list[int], rate: int) -> None:
    samples = programme(rate, seconds=4)[:30_000]
    meter = LoudnessMeter(rate, channel_weights(2))
    for block in np.split(samples, sorted(cuts)):
        meter.update(block)
    whole, parts = measure(samples, rate), meter.result()
    np.testing.assert_array_equal(parts.step_energies, whole.step_energies)
    assert parts.integrated_lufs == whole.integrated_lufs
    assert parts.true_peak_db == whole.true_peak_db


def test_the_sections_are_those_of_the_standard() -> None:
    shelf, high_pass = k_weighting(48_000)
    expected = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    expected += [-1.69065929318241, 0.73248077421585]
    np.testing.assert_allclose(shelf, expected, atol=1e-9)
    expected = [1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621]
    np.testing.assert_allclose(high_pass, expected, atol=1e-9)


def test_a_gain_adds_to_the_loudness_of_what_the_gate_lets_pass() -> None:
    steps = measure(programme(48_000), 48_000).step_energies
    assert integrated_lufs(steps * 4) - integrated_lufs(steps) == pytest.approx(6.0206, abs=1e-3)


def test_dual_mono_counts_one_channel_twice() -> None:
    mono = programme(48_000, 1)
    stereo = measure(np.repeat(mono, 2, axis=1), 48_000)
    assert measure(mono, 48_000, dual_mono=True).integrated_lufs == stereo.integrated_lufs
    single = measure(mono, 48_000).integrated_lufs
    assert stereo.integrated_lufs - single == pytest.approx(10 * math.log10(2))


@pytest.mark.parametrize(
    ("channels", "layout", "weights"),
    [
        (6, "5.1", [1, 1, 1, 0, 1.41, 1.41]),
        (6, "5.1(side)", [1, 1, 1, 0, 1.41, 1.41]),
        (8, "7.1", [1, 1, 1, 0, 1, 1, 1.41, 1.41]),
        (4, "quad", [1, 1, 1.41, 1.41]),
        (5, "no such layout", [1, 1, 1, 1.41, 1.41]),
        (2, "5.1", [1, 1]),
    ],
)
def test_channels_weigh_what_the_standard_says(
    channels: int, layout: str, weights: list[float]
) -> None:
    np.testing.assert_array_equal(channel_weights(channels, layout), weights)


def test_silence_measures_minus_infinity_and_never_nan() -> None:
    silent = measure(np.zeros((48_000 * 4, 2), "f4"), 48_000)
    assert silent.integrated_lufs == silent.true_peak_db == silent.sample_peak_db == -math.inf
    assert silent.max_momentary_lufs == silent.max_short_term_lufs == -math.inf
    assert silent.lra_lu == 0
    assert not np.isnan(silent.momentary_lufs).any()


def test_a_tone_below_the_gate_has_no_integrated_loudness() -> None:
    tone = 1e-4 * np.sin(np.arange(48_000) * 0.13)[:, None]
    quiet = measure(tone.astype("f4"), 48_000)
    assert quiet.integrated_lufs == -math.inf
    assert quiet.max_momentary_lufs == pytest.approx(-83, abs=0.5)


@pytest.mark.parametrize("frames", [0, 1, 479, 480, 19_199])
def test_less_than_a_gating_block_has_no_integrated_loudness(frames: int) -> None:
    short = measure(programme(48_000)[:frames], 48_000)
    assert short.integrated_lufs == -math.inf
    assert short.lra_lu == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 70_000, 95_999])
def test_refuses_what_is_not_a_number(value: float, at: int) -> None:
    samples = programme(48_000)[:96_000].copy()
    samples[at, 1] = value
    with pytest.raises(UnusableMedia, match="NaN or infinite") as refusal:
        measure(samples, 48_000)
    assert refusal.value.field == "audio"


@pytest.mark.parametrize("channels", [0, 9])
def test_refuses_numbers_of_channels_that_have_no_weights(channels: int) -> None:
    with pytest.raises(UnusableMedia, match=f"{channels} channels"):
        measure(np.zeros((48_000, channels), "f4"), 48_000)


def test_refuses_a_rate_below_the_filters() -> None:
    with pytest.raises(UnusableMedia, match="4000 samples a second"):
        measure(np.zeros((4_000, 1), "f4"), 4_000)


def test_reports_progress_and_stops_where_that_raises() -> None:
    class Stopped(Exception):
        pass

    shares: list[float] = []

    def report(share: float) -> None:
        shares.append(share)
        if share > 0.5:
            raise Stopped

    with pytest.raises(Stopped):
        measure(programme(48_000), 48_000, report_progress=report)
    assert shares == sorted(shares)
    assert shares[0] == 0
