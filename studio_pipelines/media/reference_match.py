"""Make a programme sound like a reference: its spectrum, its width and its loudness.

The spectra are compared after both have been smoothed to a third of an octave and their difference
once more to half an octave: what is taken over is the tone, not the tune.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.audio_blocks import ReportShare, Samples, blocks_of
from studio_pipelines.media.equaliser import EqCurve
from studio_pipelines.media.loudness import measure
from studio_pipelines.media.spectrum import (
    POINTS_PER_OCTAVE,
    Spectra,
    Spectrum,
    third_octave_spectrum,
)
from studio_pipelines.media.stereo_width import StereoImage

MOST_MATCH_DB = 9.0
"""What differs by more is another instrumentation, not another tone."""
MOST_WIDTH_CHANGE = 2.0
_HEARD_DB = -45.0  # below the strongest band: noise, and no tone
_LEVELLED_HZ = (100.0, 10_000.0)
_COMPARED_HZ = (40.0, 16_000.0)


@dataclass(frozen=True, eq=False)
class Reference:
    """What is taken over from a reference.

    Attributes:
        integrated_lufs: Its loudness.
        spectrum: Its third-octave spectrum.
        side_to_mid_db: Its width; see ``StereoImage``. None where it is not stereo.
    """

    integrated_lufs: float
    spectrum: Spectrum
    side_to_mid_db: float | None


def measure_reference(
    samples: Samples,
    sample_rate_hz: int,
    channel_layout: str = "",
    report_share: ReportShare | None = None,
) -> Reference:
    """Measure a reference.

    Raises:
        UnusableMedia: It is silent or too short, or see ``measure``; the field is ``reference``.
    """
    try:
        loudness = measure(
            samples, sample_rate_hz, channel_layout=channel_layout, report_progress=report_share
        )
    except UnusableMedia as fault:
        raise UnusableMedia(fault.message, field="reference", hint=fault.hint) from fault
    if loudness.integrated_lufs == -math.inf:
        raise UnusableMedia(
            "the reference is silent, or shorter than 0.4 s: there is nothing to match",
            field="reference",
        )
    image = StereoImage()
    for block in blocks_of(samples):
        image.update(block)
    spectrum = third_octave_spectrum(blocks_of(samples), sample_rate_hz)
    width_db = image.side_to_mid_db if samples.shape[1] == 2 else None
    return Reference(loudness.integrated_lufs, spectrum, width_db)


def match_curve(programme: Spectrum, reference: Spectrum, amount: float) -> EqCurve:
    """Find the gains that give a programme the tone of a reference.

    Args:
        programme: Its spectrum.
        reference: The reference's.
        amount: Share of the difference that is taken over, 0 to 1.

    Returns:
        Gains of at most 9 dB up or down; none where the programme has nothing to raise, and as
        beside it where only the reference has nothing.
    """
    tone = _Tone.of(programme, reference)
    if not tone.both_heard.any():
        return EqCurve(tone.frequencies_hz, np.zeros(len(tone.frequencies_hz)))
    points = np.arange(len(tone.frequencies_hz))
    filled = np.interp(points, points[tone.both_heard], tone.difference_db[tone.both_heard])
    filled[~tone.programme_heard] = 0.0
    limited = np.clip(filled, -MOST_MATCH_DB, MOST_MATCH_DB)
    return EqCurve(tone.frequencies_hz, amount * _half_octave_smoothed(limited))


def spectral_distances_db(spectra: Spectra, reference: Spectrum) -> tuple[float, float]:
    """Give how far programme and master are from the tone of a reference.

    Each is the standard deviation of the third-octave levels' difference from 40 Hz to 16 kHz,
    where both the programme and the reference have something to hear.
    """
    tone = _Tone.of(spectra.before, reference)
    low_hz, high_hz = _COMPARED_HZ
    inside = (tone.frequencies_hz >= low_hz) & (tone.frequencies_hz <= high_hz)
    compared = np.flatnonzero(tone.both_heard & inside)
    compared = compared[compared < len(spectra.after.levels_db)]
    if not compared.size:
        return 0.0, 0.0
    before, after = (
        float(np.std(reference.levels_db[compared] - spectrum.levels_db[compared]))
        for spectrum in (spectra.before, spectra.after)
    )
    return before, after


def match_width(programme: StereoImage, reference: Reference, amount: float) -> float:
    """Find the factor of the side that brings a programme to a reference's width, 0.5 to 2."""
    wanted_db, is_db = reference.side_to_mid_db, programme.side_to_mid_db
    if wanted_db is None or not math.isfinite(is_db):
        return 1.0
    limit_db = 20 * math.log10(MOST_WIDTH_CHANGE)
    return 10 ** (amount * min(max(wanted_db - is_db, -limit_db), limit_db) / 20)


def level_difference_db(programme: Spectrum, reference: Spectrum) -> float:
    """Give how much louder the reference's middle frequencies are, by the median of their bands."""
    return _Tone.of(programme, reference).level_db


@dataclass(frozen=True, eq=False)
class _Tone:
    """How a programme and a reference differ.

    Attributes:
        frequencies_hz: (points,) float64.
        difference_db: (points,) float64, what the reference has more at the same level.
        programme_heard: (points,) bool, where the programme has something to hear.
        both_heard: (points,) bool, where the reference has, too.
        level_db: By how much the reference is louder.
    """

    frequencies_hz: NDArray[np.float64]
    difference_db: NDArray[np.float64]
    programme_heard: NDArray[np.bool_]
    both_heard: NDArray[np.bool_]
    level_db: float

    @classmethod
    def of(cls, programme: Spectrum, reference: Spectrum) -> "_Tone":
        """Compare two spectra."""
        points = min(len(programme.levels_db), len(reference.levels_db))
        frequencies = programme.frequencies_hz[:points]
        here, there = programme.levels_db[:points], reference.levels_db[:points]
        heard = here > here.max() + _HEARD_DB
        both = heard & (there > there.max() + _HEARD_DB)
        low_hz, high_hz = _LEVELLED_HZ
        middle = both & (frequencies >= low_hz) & (frequencies <= high_hz)
        counted = (there - here)[middle if middle.any() else both]
        level_db = float(np.median(counted)) if counted.size else 0.0
        return cls(frequencies, there - here - level_db, heard, both, level_db)


def _half_octave_smoothed(levels_db: NDArray[np.float64]) -> NDArray[np.float64]:
    half = POINTS_PER_OCTAVE // 4
    window = np.hanning(2 * half + 3)[1:-1]
    padded = np.pad(levels_db, half, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, len(window)) @ (window / window.sum())
