"""Envelope and spectrogram of a sound of any length, read once, one column after the other."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.sample_store import Sound, read_padded

MOST_COLUMNS = 1000
BANDS = 240
LOWEST_HZ = 40.0
HIGHEST_HZ = 20_000.0
_WINDOW_FRAMES = 4096
_SMALLEST_STEP = 512
_MOST_WINDOWS = 4
_FLOOR = 1e-16


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """What a sound looks like.

    Attributes:
        times_s: (columns + 1,) float64, where columns begin and end.
        lowest: (columns,) float32, smallest sample of each column, over all channels.
        highest: (columns,) float32, largest.
        frequencies_hz: (bands + 1,) float64, where bands begin and end, in equal ratios.
        levels_db: (bands, columns) float32, power in each band; a sine of full scale reads 0.
    """

    times_s: NDArray[np.float64]
    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]
    frequencies_hz: NDArray[np.float64]
    levels_db: NDArray[np.float32]


def spectrogram(sound: Sound, sample_rate_hz: int) -> Spectrogram:
    """Read a sound into at most 1000 columns; each shows its loudest moments.

    Args:
        sound: At least one frame.
        sample_rate_hz: Samples a second.
    """
    step = max(_SMALLEST_STEP, ceil(sound.frames / MOST_COLUMNS))
    starts = range(0, sound.frames, step)
    top_hz = min(HIGHEST_HZ, sample_rate_hz / 2)
    edges_hz = np.geomspace(LOWEST_HZ, top_hz, BANDS + 1)
    lowest, highest = np.empty((2, len(starts)), np.float32)
    power = np.empty((BANDS, len(starts)))
    window = np.hanning(_WINDOW_FRAMES).astype(np.float32)
    around = max(0, ceil((_WINDOW_FRAMES - step) / 2))
    for column, start in enumerate(starts):
        stop = min(start + step, sound.frames)
        samples = read_padded(sound, start - around, start + step + around)
        own = samples[around : around + stop - start]
        lowest[column], highest[column] = own.min(), own.max()
        power[:, column] = _band_power(samples, window, edges_hz, sample_rate_hz)
    times_s = np.minimum(np.arange(len(starts) + 1) * step, sound.frames) / sample_rate_hz
    levels_db = (10 * np.log10(power + _FLOOR)).astype(np.float32)
    return Spectrogram(times_s, lowest, highest, edges_hz, levels_db)


def _band_power(
    samples: NDArray[np.float32],
    window: NDArray[np.float32],
    edges_hz: NDArray[np.float64],
    sample_rate_hz: int,
) -> NDArray[np.float64]:
    """Give the largest power of a few windows in each band; a narrow band is interpolated."""
    room = len(samples) - _WINDOW_FRAMES
    count = min(_MOST_WINDOWS, 1 + room // _WINDOW_FRAMES)
    starts = np.linspace(0, room, count).astype(int) if count > 1 else [room // 2]
    pieces = np.stack([samples[at : at + _WINDOW_FRAMES] for at in starts])
    bins = np.fft.rfft(pieces * window[:, None], axis=1)
    power = (bins.real**2 + bins.imag**2).mean(axis=2).max(axis=0)
    power *= 4 / float(window.sum()) ** 2
    below = np.concatenate([[0.0], np.cumsum(power)])
    bin_edges_hz = (np.arange(len(below)) - 0.5) * sample_rate_hz / _WINDOW_FRAMES
    return np.maximum(np.diff(np.interp(edges_hz, bin_edges_hz, below)), 0)
