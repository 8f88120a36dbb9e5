"""Bands sum flat, and compression is gentle, linked, and the same however the stream is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.media.compressor import KNEE_DB, BandLevels, MultibandCompressor
from studio_pipelines.media.crossover import crossover_sections, split_bands

RATE = 48_000
STEREO = np.ones(2)


def noise(seconds: float, level_db: float = -20, channels: int = 2, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((round(seconds * RATE), channels))
    return (10 ** (level_db / 20) * samples).astype("f4")


def compressed(
    samples: np.ndarray, amount: float, thresholds_db: tuple[float, ...], cuts: list[int]
) -> tuple[np.ndarray, MultibandCompressor]:
    stage = MultibandCompressor(RATE, np.ones(samples.shape[1]), amount, thresholds_db)
    parts = [stage.process(part) for part in np.split(samples, cuts)]
    return np.concatenate([*parts, stage.finish()]), stage


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000, 192_000, 384_000])
def test_the_bands_sum_flat_within_a_hundredth_of_a_db(rate: int) -> None:
    impulse = np.zeros(4 * rate, "f4")
    impulse[0] = 1
    bands = np.empty((3, len(impulse)))
    split_bands(impulse, crossover_sections(rate), np.zeros((9, 2)), bands)
    magnitude_db = 20 * np.log10(np.abs(np.fft.rfft(bands.sum(axis=0))))
    assert np.abs(magnitude_db[:-1]).max() < 0.01


@pytest.mark.parametrize(("frequency_hz", "band"), [(50, 0), (630, 1), (8000, 2)])
def test_a_tone_is_in_its_band(frequency_hz: float, band: int) -> None:
    tone = np.sin(2 * np.pi * frequency_hz / RATE * np.arange(2 * RATE)).astype("f4")
    bands = np.empty((3, len(tone)))
    split_bands(tone, crossover_sections(RATE), np.zeros((9, 2)), bands)
    levels_db = 10 * np.log10((bands[:, RATE:] ** 2).mean(axis=1) / 0.5)
    assert levels_db[band] == pytest.approx(0, abs=0.2)
    assert np.delete(levels_db, band).max() < -20


def test_a_ratio_of_one_is_an_all_pass() -> None:
    samples = noise(2)
    out, stage = compressed(samples, 0.0, (-60, -60, -60), [])
    ratio = np.abs(np.fft.rfft(out[:, 0])[200:-200]) / np.abs(np.fft.rfft(samples[:, 0])[200:-200])
    assert np.median(np.abs(20 * np.log10(ratio))) < 0.01
    assert max(stage.report().max_reductions_db) == 0


@given(cuts=st.lists(st.integers(0, 20_000), max_size=6), amount=st.floats(0.1, 1))
@settings(max_examples=15, deadline=None)
def test_the_cuts_of_the_stream_do_not_matter(cuts: list[int], amount: float) -> None:
    samples = noise(20_000 / RATE)
    whole, _ = compressed(samples, amount, (-40, -40, -30), [])
    parts, _ = compressed(samples, amount, (-40, -40, -30), sorted(cuts))
    np.testing.assert_array_equal(whole, parts)
    assert len(whole) == len(samples)


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_above_the_knee_the_ratio_holds(amount: float) -> None:
    n = np.arange(4 * RATE)
    tone = np.sin(2 * np.pi * 630 / RATE * n).astype("f4")[:, None]
    levels: list[float] = []
    for level_db in (-20.0, -10.0):
        out, _ = compressed(tone * np.float32(10 ** (level_db / 20)), amount, (-40, -40, -40), [])
        levels.append(10 * np.log10((out[2 * RATE :] ** 2).mean()))
    # The skirts of the other bands pass uncompressed.
    assert levels[1] - levels[0] == pytest.approx(10 / (1 + amount), abs=0.2)


def test_a_band_at_its_usual_level_keeps_it() -> None:
    samples = noise(10)
    meter = BandLevels(RATE, STEREO)
    meter.update(samples)
    thresholds_db = meter.levels_db()
    out, stage = compressed(samples, 1.0, thresholds_db, [])
    gain_db = 10 * np.log10((out**2).mean() / (samples**2).mean())
    assert abs(gain_db) < 0.3
    assert max(stage.report().mean_reductions_db) < KNEE_DB / 8


def test_loud_passages_come_nearer_to_quiet_ones() -> None:
    samples = np.concatenate([noise(4, -30), noise(4, -14, seed=1)])
    meter = BandLevels(RATE, STEREO)
    meter.update(samples)
    out, stage = compressed(samples, 1.0, meter.levels_db(), [])
    quiet, loud = (10 * np.log10((part**2).mean()) for part in np.split(out, 2))
    assert 8 < loud - quiet < 15.5
    assert stage.report().ratio == 2


def test_channels_share_their_gain_and_silent_weights_are_not_listened_to() -> None:
    loud = noise(2, -10, channels=1)
    samples = np.concatenate([loud, 0.01 * loud], axis=1)
    out, _ = compressed(samples, 1.0, (-40, -40, -40), [])
    np.testing.assert_allclose(out[:, 1], 0.01 * out[:, 0], atol=1e-7)
    deaf = MultibandCompressor(RATE, np.array([0.0, 1.0]), 1.0, (-40, -40, -40))
    deaf.process(np.concatenate([loud, 0 * loud], axis=1))
    assert max(deaf.report().max_reductions_db) == 0


def test_levels_leave_pauses_out() -> None:
    sound = noise(5)
    with_pause, without = BandLevels(RATE, STEREO), BandLevels(RATE, STEREO)
    without.update(sound)
    for part in (sound, np.zeros((20 * RATE, 2), "f4")):
        with_pause.update(part)
    np.testing.assert_allclose(with_pause.levels_db(), without.levels_db(), atol=0.2)
    silent = BandLevels(RATE, STEREO)
    silent.update(np.zeros((RATE, 2), "f4"))
    assert np.isfinite(silent.levels_db()).all()
