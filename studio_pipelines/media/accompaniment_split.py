"""Drums, bass and the rest of an accompaniment, by masks on its spectrogram: no network.

What sounds for a short time is a ridge along the frequencies, what has a pitch is one along time;
a median across each brings it out (D. Fitzgerald: Harmonic/percussive separation using median
filtering, DAFx 2010). The percussive part is taken for drums, the low end of the harmonic part for
bass. The three masks add up to one.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Magnitudes = NDArray[np.float32]

MEDIAN_S = 0.4
MEDIAN_HZ = 190.0
BASS_FULL_HZ = 130.0
BASS_NONE_HZ = 300.0
_FLOOR: Final = 1e-10


def accompaniment_masks(
    magnitudes: Magnitudes, bin_hz: float, hop_s: float
) -> tuple[Magnitudes, Magnitudes]:
    """Give the shares of drums and of bass in each bin; what is left to one is the rest.

    Args:
        magnitudes: (frames, bins) float32, the channels' mean.
        bin_hz: Distance of two bins.
        hop_s: Distance of two frames.

    Returns:
        Two arrays of (frames, bins) float32 from 0 to 1, whose sum is at most 1.
    """
    lasting = running_median(magnitudes.T, _odd(MEDIAN_S / hop_s)).T
    broad = running_median(magnitudes, _odd(MEDIAN_HZ / bin_hz))
    np.square(lasting, out=lasting)
    np.square(broad, out=broad)
    drums = ((broad + _FLOOR / 2) / (broad + lasting + _FLOOR)).astype(np.float32)
    frequencies_hz = bin_hz * np.arange(magnitudes.shape[1], dtype=np.float64)
    octaves = np.log2(np.maximum(frequencies_hz, 1.0) / BASS_FULL_HZ)
    slope = np.clip(octaves / np.log2(BASS_NONE_HZ / BASS_FULL_HZ), 0, 1)
    low = (0.5 + 0.5 * np.cos(np.pi * slope)).astype(np.float32)
    return drums, (1 - drums) * low


def _odd(width: float) -> int:
    return 2 * round((width - 1) / 2) + 1


def running_median(rows: Magnitudes, width: int) -> Magnitudes:
    """Give the median of the ``width`` values around each, along the second axis.

    Args:
        rows: (rows, values) float32; beyond its ends a row goes on mirrored.
        width: Odd.
    """
    if rows.shape[1] <= width // 2:
        width = 2 * max(rows.shape[1] - 1, 0) + 1
    padded = np.pad(rows, ((0, 0), (width // 2, width // 2)), mode="reflect")
    # One memory layout, one compiled kernel: a transposed array stays one when it is padded.
    return _running_median(np.ascontiguousarray(padded), width)


@njit(cache=True, nogil=True)
def _running_median(padded: Magnitudes, width: int) -> Magnitudes:  # pragma: no cover - compiled
    """Keep the window sorted: one value leaves, one comes, those between move by one."""
    count = padded.shape[1] - width + 1
    out = np.empty((padded.shape[0], count), np.float32)
    for r in range(padded.shape[0]):
        row = padded[r]
        window = np.sort(row[:width])
        out[r, 0] = window[width // 2]
        for n in range(1, count):
            gone, new = row[n - 1], row[n + width - 1]
            at = 0
            while window[at] < gone:
                at += 1
            if new > gone:
                while at + 1 < width and window[at + 1] < new:
                    window[at] = window[at + 1]
                    at += 1
            else:
                while at > 0 and window[at - 1] > new:
                    window[at] = window[at - 1]
                    at -= 1
            window[at] = new
            out[r, n] = window[width // 2]
    return out
