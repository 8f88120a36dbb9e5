"""Spectra are right, and the pictures show what was measured."""

import io

import numpy as np
import pytest
from PIL import Image

from studio_pipelines.media.audio_plots import _curve, loudness_plot, spectrum_plot
from studio_pipelines.media.equaliser import ToneControls
from studio_pipelines.media.loudness import measure
from studio_pipelines.media.mastering_target import MasteringTarget
from studio_pipelines.media.spectrum import Spectra, third_octave_spectrum

RATE = 48_000


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (level * rng.standard_normal((round(RATE * seconds), 2))).astype("f4")


def picture(png: bytes) -> np.ndarray:
    assert len(png) < 400_000
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def pixels(image: np.ndarray, colour: str) -> np.ndarray:
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return np.argwhere(np.abs(image - rgb).max(axis=2) < 12)


@pytest.mark.parametrize("frequency_hz", [63, 997, 12_000])
def test_a_full_scale_tone_reads_zero_in_its_third_octave(frequency_hz: float) -> None:
    tone = np.sin(2 * np.pi * frequency_hz / RATE * np.arange(RATE))[:, None].astype("f4")
    spectrum = third_octave_spectrum([tone], RATE)
    inside = np.abs(np.log2(spectrum.frequencies_hz / frequency_hz)) < 1 / 9
    outside = np.abs(np.log2(spectrum.frequencies_hz / frequency_hz)) > 1 / 2
    np.testing.assert_allclose(spectrum.levels_db[inside], 0, atol=0.1)
    assert spectrum.levels_db[outside].max() < -45


def test_white_noise_rises_by_3_db_an_octave_and_sums_to_its_level() -> None:
    spectrum = third_octave_spectrum(np.array_split(noise(60), 60), RATE)
    octaves = np.log2(spectrum.frequencies_hz / 1000)
    slope, at_1_khz = np.polyfit(octaves, spectrum.levels_db, 1)
    assert slope == pytest.approx(3.01, abs=0.1)
    share = 1000 * (2 ** (1 / 6) - 2 ** (-1 / 6)) / (RATE / 2)
    assert at_1_khz == pytest.approx(10 * np.log10(2 * 0.1**2 * share), abs=0.3)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_the_spectrum_ends_below_half_the_rate(rate: int) -> None:
    spectrum = third_octave_spectrum([noise(1)], rate)
    assert spectrum.frequencies_hz[-1] <= rate / 2
    assert np.isfinite(spectrum.levels_db).all()


def test_a_programme_of_nothing_has_a_floor() -> None:
    assert np.isfinite(third_octave_spectrum([], RATE).levels_db).all()


def test_the_louder_curve_is_drawn_higher_and_the_target_between() -> None:
    quiet, loud = measure(noise(8, 0.02), RATE), measure(noise(8, 0.2), RATE)
    target = MasteringTarget(-20.0)
    image = picture(loudness_plot(quiet, loud, target))
    assert image.shape == (552, 1200, 3)
    plot = image[80:]  # below title and legend
    before, after, line = (
        np.median(pixels(plot, colour)[:, 0]) for colour in ("#94a3b8", "#0f766e", "#c2410c")
    )
    assert after < line < before


def test_silence_and_shortness_leave_gaps_and_no_errors() -> None:
    silent, short = measure(np.zeros((RATE * 5, 2), "f4"), RATE), measure(noise(0.4), RATE)
    assert picture(loudness_plot(silent, short, MasteringTarget(-14))).std() > 5
    times_s, levels = _curve(silent.momentary_lufs)
    assert np.isnan(levels).all()
    assert times_s[-1] == pytest.approx(5)


def test_an_hour_is_drawn_by_its_loudest_moments() -> None:
    curve = np.full(36_000, -30.0)
    curve[20_000] = -10
    times_s, levels = _curve(curve)
    assert len(levels) <= 2000
    assert levels.max() == -10
    assert times_s[levels.argmax()] == pytest.approx(2000, abs=3)


def test_spectra_are_both_drawn() -> None:
    before = third_octave_spectrum([noise(2, 0.01)], RATE)
    after = third_octave_spectrum([noise(2, 0.1)], RATE)
    image = picture(spectrum_plot(Spectra(before, after)))[80:]
    assert pixels(image, "#0f766e")[:, 0].mean() < pixels(image, "#94a3b8")[:-1200, 0].mean()


def test_a_reference_is_drawn_at_the_level_of_the_master_and_the_curve_below() -> None:
    before = third_octave_spectrum([noise(2, 0.01)], RATE)
    after, reference = before.raised_by(12), before.raised_by(-20)
    curve = ToneControls(low_db=6, high_db=-6).curve()
    plain = picture(spectrum_plot(Spectra(before, after)))
    image = picture(spectrum_plot(Spectra(before, after, reference), curve))
    assert image.shape[0] > plain.shape[0] + 100
    spectra, panel = image[80:540], image[560:]
    # The dashes of the reference hide the master's line in part, and lie nowhere else.
    rows = pixels(spectra, "#c2410c")[:, 0]
    assert abs(np.median(rows) - np.median(pixels(spectra, "#0f766e")[:, 0])) < 8
    drawn = pixels(panel, "#0f766e")
    left, right = (drawn[drawn[:, 1] < 300][:, 0], drawn[drawn[:, 1] > 1100][:, 0])
    assert left.mean() < right.mean()
