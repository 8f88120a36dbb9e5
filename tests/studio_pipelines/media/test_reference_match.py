"""What differs from a reference is found, limited, and taken over; the rest is left alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.equaliser import ToneControls
from studio_pipelines.media.minimum_phase_filter import MinimumPhaseFilter
from studio_pipelines.media.reference_match import (
    MOST_MATCH_DB,
    match_curve,
    match_width,
    measure_reference,
    spectral_distances_db,
)
from studio_pipelines.media.spectrum import Spectra, Spectrum, third_octave_spectrum
from studio_pipelines.media.stereo_width import StereoImage, Width

RATE = 48_000


def pink(seconds: float = 20, seed: int = 0, side: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    bins = np.fft.rfft(rng.standard_normal((2, round(seconds * RATE))))
    bins /= np.sqrt(np.maximum(np.arange(bins.shape[1]), 20))
    mid, other = np.fft.irfft(bins)
    samples = np.stack([mid + side * other, mid - side * other], axis=1)
    return (0.1 * samples / samples.std()).astype("f4")


def filtered(samples: np.ndarray, controls: ToneControls) -> np.ndarray:
    stage = MinimumPhaseFilter(controls.curve(), RATE, samples.shape[1])
    return np.concatenate([stage.process(samples), stage.finish()])


def spectrum(samples: np.ndarray) -> Spectrum:
    return third_octave_spectrum(np.array_split(samples, 20), RATE)


@given(tilt=st.floats(-1, 1), low=st.floats(-4, 4), high=st.floats(-4, 4))
@settings(max_examples=6, deadline=None)
def test_a_known_difference_is_found_and_undone(tilt: float, low: float, high: float) -> None:
    controls = ToneControls(tilt, low, high)
    samples = pink()
    reference = spectrum(filtered(pink(seed=1), controls))
    curve = match_curve(spectrum(samples), reference, 1.0)
    wanted = controls.curve().at(curve.frequencies_hz)
    inside = (curve.frequencies_hz > 50) & (curve.frequencies_hz < 14_000)
    error = (curve.gains_db - wanted)[inside]
    assert np.std(error) < 0.6
    stage = MinimumPhaseFilter(curve, RATE, 2)
    matched = np.concatenate([stage.process(samples), stage.finish()])
    spectra = Spectra(spectrum(samples), spectrum(matched))
    before_db, after_db = spectral_distances_db(spectra, reference)
    assert after_db < max(0.6, 0.3 * before_db)


def test_the_amount_scales_the_gains_and_the_limit_holds() -> None:
    one, other = spectrum(pink()), spectrum(filtered(pink(), ToneControls(2, 12, 12)))
    whole, half = match_curve(one, other, 1.0), match_curve(one, other, 0.5)
    np.testing.assert_allclose(half.gains_db, 0.5 * whole.gains_db, atol=1e-9)
    assert np.abs(whole.gains_db).max() <= MOST_MATCH_DB + 1e-9
    assert np.abs(whole.gains_db).max() == pytest.approx(MOST_MATCH_DB, abs=0.01)


def test_equal_spectra_are_left_alone() -> None:
    same = spectrum(pink())
    curve = match_curve(same, same.raised_by(-13.0), 1.0)
    np.testing.assert_allclose(curve.gains_db, 0, atol=1e-9)


def test_what_the_programme_does_not_have_is_not_raised() -> None:
    n = np.arange(10 * RATE)
    tone = (0.1 * np.sin(2 * np.pi * 1000 / RATE * n)).astype("f4")[:, None]
    curve = match_curve(spectrum(tone), spectrum(pink()), 1.0)
    far = (curve.frequencies_hz < 400) | (curve.frequencies_hz > 2500)
    np.testing.assert_allclose(curve.gains_db[far], 0, atol=1e-9)


@pytest.mark.parametrize(("side", "wanted"), [(0.25, 0.5), (0.4, 0.8), (0.8, 1.6), (5.0, 2.0)])
def test_the_width_is_taken_over_within_bounds(side: float, wanted: float) -> None:
    reference = measure_reference(pink(side=side), RATE)
    image = StereoImage()
    image.update(pink())
    assert match_width(image, reference, 1.0) == pytest.approx(wanted, rel=0.03)
    assert match_width(image, reference, 0.0) == 1.0


def test_mono_has_no_width_to_match() -> None:
    mono, image = measure_reference(pink()[:, :1].copy(), RATE), StereoImage()
    image.update(pink())
    assert mono.side_to_mid_db is None
    assert match_width(image, mono, 1.0) == 1.0
    one = StereoImage()
    one.update(pink(side=0))
    assert one.side_to_mid_db < -100 or one.side_to_mid_db == -math.inf


@pytest.mark.parametrize("width", [0.0, 0.5, 1.0, 2.0])
def test_width_scales_the_side_and_keeps_the_mono_sum(width: float) -> None:
    samples = pink(2)
    out = Width(width).process(samples)
    np.testing.assert_allclose(out.sum(axis=1), samples.sum(axis=1), atol=1e-6)
    sides = out[:, 0] - out[:, 1], samples[:, 0] - samples[:, 1]
    np.testing.assert_allclose(sides[0], width * sides[1], atol=1e-6)


@pytest.mark.parametrize(
    "samples", [np.zeros((RATE, 2), "f4"), np.full((RATE, 2), np.nan, "f4"), pink(0.1)]
)
def test_an_unusable_reference_is_named(samples: np.ndarray) -> None:
    with pytest.raises(UnusableMedia) as refusal:
        measure_reference(samples, RATE)
    assert refusal.value.field == "reference"
