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
from studio_pipelines.media.spectrum import POINTS_PER_OCTAVE, Spectrum, third_octave_spectrum
from studio_pipelines.media.stereo_width import StereoImage

MOST_MATCH_DB = 9.0
"""What differs by more is another instrumentation, not another tone."""
MOST_WIDTH_CHANGE = 2.0
_HEARD_DB = -60.0
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
        Gains of at most 9 dB up or down; where either is silent they go on as beside it.
    """
    frequencies, difference, heard = _tone_difference_db(programme, reference)
    if not heard.any():
        return EqCurve(frequencies, np.zeros(len(frequencies)))
    points = np.arange(len(frequencies))
    filled = np.interp(points, points[heard], difference[heard])
    limited = np.clip(filled, -MOST_MATCH_DB, MOST_MATCH_DB)
    return EqCurve(frequencies, amount * _half_octave_smoothed(limited))


def spectral_distance_db(one: Spectrum, other: Spectrum) -> float:
    """Root mean square of the third-octave levels' difference, 40 Hz to 16 kHz, level aside."""
    frequencies, difference, heard = _tone_difference_db(one, other)
    low_hz, high_hz = _COMPARED_HZ
    compared = difference[heard & (frequencies >= low_hz) & (frequencies <= high_hz)]
    return float(np.std(compared)) if compared.size else 0.0


def match_width(programme: StereoImage, reference: Reference, amount: float) -> float:
    """Find the factor of the side that brings a programme to a reference's width, 0.5 to 2."""
    wanted_db, is_db = reference.side_to_mid_db, programme.side_to_mid_db
    if wanted_db is None or not math.isfinite(is_db):
        return 1.0
    limit_db = 20 * math.log10(MOST_WIDTH_CHANGE)
    return 10 ** (amount * min(max(wanted_db - is_db, -limit_db), limit_db) / 20)


def level_difference_db(one: Spectrum, other: Spectrum) -> float:
    """Give how much louder the other's middle frequencies are, on average of their bands."""
    frequencies, difference, heard = _difference_db(one, other)
    low_hz, high_hz = _LEVELLED_HZ
    middle = heard & (frequencies >= low_hz) & (frequencies <= high_hz)
    compared = difference[middle if middle.any() else heard]
    return float(compared.mean()) if compared.size else 0.0


def _tone_difference_db(
    one: Spectrum, other: Spectrum
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Give frequencies, what the other has more at the same level, and where both are heard."""
    frequencies, difference, heard = _difference_db(one, other)
    return frequencies, difference - level_difference_db(one, other), heard


def _difference_db(
    one: Spectrum, other: Spectrum
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    points = min(len(one.levels_db), len(other.levels_db))
    levels = [spectrum.levels_db[:points] for spectrum in (one, other)]
    heard = np.logical_and(*(level > level.max() + _HEARD_DB for level in levels))
    return one.frequencies_hz[:points], levels[1] - levels[0], heard


def _half_octave_smoothed(levels_db: NDArray[np.float64]) -> NDArray[np.float64]:
    half = POINTS_PER_OCTAVE // 4
    window = np.hanning(2 * half + 3)[1:-1]
    padded = np.pad(levels_db, half, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, len(window)) @ (window / window.sum())
