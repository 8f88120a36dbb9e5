"""The average spectrum of a programme, smoothed to a third of an octave."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WINDOW_FRAMES = 16_384
_LOWEST_HZ = 25.0
_HIGHEST_HZ = 20_000.0
POINTS_PER_OCTAVE = 24
_HALF_BAND = 2 ** (1 / 6)
_FLOOR = 1e-20


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power in the third of an octave around each frequency, averaged over time and channels.

    Attributes:
        frequencies_hz: (points,) float64, 24 an octave from 25 Hz to 20 kHz or the highest whole
            band below half the sample rate.
        levels_db: (points,) float64; a sine of full scale reads 0 (AES17). Pink noise is level.
    """

    frequencies_hz: NDArray[np.float64]
    levels_db: NDArray[np.float64]

    def raised_by(self, gain_db: float) -> "Spectrum":
        """Give the spectrum of the same sound after a gain."""
        return Spectrum(self.frequencies_hz, self.levels_db + gain_db)


@dataclass(frozen=True, eq=False)
class Spectra:
    """The spectra of a programme, of its master, and of what it was matched to, if anything."""

    before: Spectrum
    after: Spectrum
    reference: Spectrum | None = None


def third_octave_spectrum(blocks: Iterable[NDArray[np.float32]], sample_rate_hz: int) -> Spectrum:
    """Average a programme's spectrum.

    One window of 16384 frames is taken from each block: a sample of the programme that costs a
    fraction of it.

    Args:
        blocks: (frames, channels) float32; a block shorter than the window counts padded.
        sample_rate_hz: Samples a second.
    """
    window = np.hanning(_WINDOW_FRAMES).astype(np.float32)[:, None]
    power = np.zeros(_WINDOW_FRAMES // 2 + 1)
    frames = 0
    for block in blocks:
        part = block[:_WINDOW_FRAMES]
        bins = np.fft.rfft(part * window[: len(part)], _WINDOW_FRAMES, axis=0)
        power += np.mean(bins.real**2 + bins.imag**2, axis=1, dtype=np.float64)
        frames += len(part)
    windows = max(1.0, frames / _WINDOW_FRAMES)
    # Both sides of the spectrum, and 3 dB because full scale is that of a sine.
    power *= 4 / (windows * _WINDOW_FRAMES * float((window**2).sum()))
    return _smoothed(power, sample_rate_hz)


def _smoothed(power: NDArray[np.float64], sample_rate_hz: int) -> Spectrum:
    highest = min(_HIGHEST_HZ, sample_rate_hz / 2 / _HALF_BAND)
    points = int(np.log2(highest / _LOWEST_HZ) * POINTS_PER_OCTAVE) + 1
    frequencies = _LOWEST_HZ * 2 ** (np.arange(points) / POINTS_PER_OCTAVE)
    edges = (np.arange(len(power) + 1) - 0.5) * sample_rate_hz / _WINDOW_FRAMES
    below = np.concatenate([[0.0], np.cumsum(power)])
    upper = np.interp(frequencies * _HALF_BAND, edges, below)
    lower = np.interp(frequencies / _HALF_BAND, edges, below)
    return Spectrum(frequencies, 10 * np.log10(np.maximum(upper - lower, _FLOOR)))
