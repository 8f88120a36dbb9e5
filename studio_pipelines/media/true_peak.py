"""True peak of sampled audio: the peak of the continuous signal that the samples stand for.

Two interpolators are read side by side and the higher value counts: an own 16-times one (Kaiser
windowed sinc, 32 taps a phase, flat to 0.45 of the rate) and the 4-times one of libebur128, so that
no common meter reads more than is reported here. Both meet Annex 2 of ITU-R BS.1770-5.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

OVERSAMPLING = 16
TAPS_PER_PHASE = 32
FRAMES_BEFORE = TAPS_PER_PHASE // 2 - 1
FRAMES_AFTER = TAPS_PER_PHASE // 2
_KAISER_BETA = 5.0
_LIBEBUR128_PROTOTYPE_TAPS = 49
_BLOCK = 64
_FLOAT32_MARGIN = 1 + 1e-5


@dataclass(frozen=True)
class Interpolators:
    """The polyphase filters of one sample rate, and what makes it safe to leave some out.

    They stand in three levels: quarters of a frame and libebur128's phases, eighths, sixteenths.

    Attributes:
        weights: (phases, 32) float32; a row weights frames ``n - 15 … n + 16`` for one instant
            between frames ``n`` and ``n + 1``.
        level_ends: Number of rows up to and with each level.
        level_bounds: No value from this level on exceeds the largest value of the levels before by
            more than this times the largest sample in reach; for the first level, by itself.
    """

    weights: NDArray[np.float32]
    level_ends: tuple[int, int, int]
    level_bounds: tuple[float, float, float]

    @property
    def gain_bound(self) -> float:
        """No true peak exceeds this times the largest sample."""
        return self.level_bounds[0]


@cache
def interpolators(sample_rate_hz: int) -> Interpolators:
    """Design the filters for a sample rate.

    The bounds are sums of absolute weights (the triangle inequality) and hold for every signal: of
    the filters for the first level, of their distance from the chord between their neighbours of
    the level before for the others.
    """
    phases = np.stack([_windowed_sinc(k / OVERSAMPLING) for k in range(OVERSAMPLING + 1)])
    levels = [np.concatenate([phases[4:16:4], _libebur128_phases(sample_rate_hz)])]
    levels += [phases[2:16:4], phases[1:16:2]]
    every = np.concatenate(levels)
    largest_gain = float(np.abs(every).sum(axis=1).max())
    bounds = [largest_gain, _chord_bound(phases, 4), _chord_bound(phases, 2)]
    bounds = [bound * _FLOAT32_MARGIN for bound in bounds]
    ends = np.cumsum([len(level) for level in levels])
    return Interpolators(
        weights=every.astype(np.float32),
        level_ends=(int(ends[0]), int(ends[1]), int(ends[2])),
        level_bounds=(bounds[0], bounds[1], bounds[2]),
    )


def _chord_bound(phases: NDArray[np.float64], spacing: int) -> float:
    """Bound how far a phase can exceed the line between its neighbours ``spacing`` apart."""
    bound = 0.0
    for k in range(OVERSAMPLING):
        left = k // spacing * spacing
        share = (k - left) / spacing
        chord = (1 - share) * phases[left] + share * phases[left + spacing]
        bound = max(bound, float(np.abs(phases[k] - chord).sum()))
    return bound


def _windowed_sinc(fraction: float) -> NDArray[np.float64]:
    distance = np.arange(-FRAMES_BEFORE, FRAMES_AFTER + 1) - fraction
    edge = TAPS_PER_PHASE / 2
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (distance / edge) ** 2)))
    return np.sinc(distance) * window / np.i0(_KAISER_BETA)


def _libebur128_phases(sample_rate_hz: int) -> NDArray[np.float64]:
    """Give the filters that libebur128 1.2 measures with: a Hann windowed sinc of 49 taps."""
    factor = 4 if sample_rate_hz < 96_000 else 2 if sample_rate_hz < 192_000 else 1
    centre = (_LIBEBUR128_PROTOTYPE_TAPS - 1) / 2
    frames = np.arange(-FRAMES_BEFORE, FRAMES_AFTER + 1)
    rows: list[NDArray[np.float64]] = []
    for phase in range(1, factor):
        tap = factor * frames - phase
        window = 0.5 * (1 + np.cos(np.pi * tap / centre))
        rows.append(np.where(np.abs(tap) <= centre, np.sinc(tap / factor) * window, 0.0))
    return np.array(rows).reshape(-1, TAPS_PER_PHASE)


# With max(), or with NaN admitted, the compiler does not vectorise the comparisons.
_FASTMATH = {"contract", "nnan", "nsz"}


@njit(cache=True, nogil=True, fastmath=_FASTMATH)
def _largest(x: NDArray[np.float32]) -> np.float32:  # pragma: no cover - compiled
    largest = np.float32(0.0)
    for n in range(x.shape[0]):
        if abs(x[n]) > largest:
            largest = abs(x[n])
    return largest


@njit(cache=True, nogil=True, fastmath=_FASTMATH)
def _raise_to_filtered(  # pragma: no cover - compiled
    x: NDArray[np.float32],
    start: int,
    weights: NDArray[np.float32],
    value: NDArray[np.float32],
    peaks: NDArray[np.float32],
) -> np.float32:
    """Raise ``peaks`` to what one filter gives for a block of frames; return the largest."""
    for n in range(_BLOCK):
        value[n] = 0.0
    for k in range(0, TAPS_PER_PHASE, 8):
        w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        w4, w5, w6, w7 = weights[k + 4], weights[k + 5], weights[k + 6], weights[k + 7]
        y = x[start + k : start + k + _BLOCK + 7]
        for n in range(_BLOCK):
            value[n] += (w0 * y[n] + w1 * y[n + 1] + w2 * y[n + 2] + w3 * y[n + 3]) + (
                w4 * y[n + 4] + w5 * y[n + 5] + w6 * y[n + 6] + w7 * y[n + 7]
            )
    largest = np.float32(0.0)
    for n in range(_BLOCK):
        magnitude = abs(value[n])
        if magnitude > peaks[n]:
            peaks[n] = magnitude
        if magnitude > largest:
            largest = magnitude
    return largest


@njit(cache=True, nogil=True, fastmath=_FASTMATH)
def _interval_peaks(  # pragma: no cover - compiled
    x: NDArray[np.float32],
    weights: NDArray[np.float32],
    level_ends: tuple[int, int, int],
    level_bounds: tuple[float, float, float],
    threshold: float,
    peaks: NDArray[np.float32],
) -> None:
    value = np.empty(_BLOCK, np.float32)
    for start in range(0, peaks.shape[0], _BLOCK):
        out = peaks[start : start + _BLOCK]
        out[:] = 0.0
        for channel in range(x.shape[0]):
            row = x[channel]
            for n in range(_BLOCK):
                sample = abs(row[start + FRAMES_BEFORE + n])
                if sample > out[n]:
                    out[n] = sample
            around = _largest(row[start : start + _BLOCK + TAPS_PER_PHASE - 1])
            near, phase = np.float32(0.0), 0
            for level in range(len(level_ends)):
                if near + level_bounds[level] * around <= threshold:
                    break
                if level == 0:
                    # The last interval's chord ends on the sample of the frame after the block.
                    first = start + FRAMES_BEFORE
                    near = _largest(row[first : first + _BLOCK + 1])
                while phase < level_ends[level]:
                    near = max(near, _raise_to_filtered(row, start, weights[phase], value, out))
                    phase += 1


def interval_peaks(
    planar: NDArray[np.float32], filters: Interpolators, threshold: float
) -> NDArray[np.float32]:
    """Find the true peak of each interval between neighbouring frames, over all channels.

    Args:
        planar: (channels, frames + 31) float32, C order; 15 frames come before the first interval
            and 16 after its frame.
        filters: The filters of the sample rate.
        threshold: Peaks are exact where they exceed this; elsewhere they may read low, never
            above it. Linear, ≥ 0.

    Returns:
        (frames,) float32, linear; element ``n`` covers [n, n + 1).
    """
    frames = planar.shape[1] - (TAPS_PER_PHASE - 1)
    spare = -frames % _BLOCK
    if spare:
        planar = np.pad(planar, ((0, 0), (0, spare)))
    planar = np.ascontiguousarray(planar)  # strided rows cannot be vectorised
    peaks = np.empty(frames + spare, np.float32)
    _interval_peaks(
        planar, filters.weights, filters.level_ends, filters.level_bounds, threshold, peaks
    )
    return peaks[:frames]


class TruePeakMeter:
    """Measures sample peak and true peak of a stream of blocks."""

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        self._filters = interpolators(sample_rate_hz)
        self._before = np.zeros((channels, TAPS_PER_PHASE - 1), np.float32)
        self._sample_peak = 0.0
        self._true_peak = 0.0

    def update(self, samples: NDArray[np.float32]) -> None:
        """Take the next block, (frames, channels) float32."""
        if not len(samples):
            return
        history = self._before.shape[1]
        planar = np.empty((self._before.shape[0], history + len(samples)), np.float32)
        planar[:, :history] = self._before
        planar[:, history:] = samples.T
        self._before = planar[:, len(samples) :].copy()
        self._sample_peak = max(self._sample_peak, float(planar.max()), -float(planar.min()))
        self._true_peak = max(self._true_peak, self._sample_peak)
        peaks = interval_peaks(planar, self._filters, self._true_peak)
        self._true_peak = max(self._true_peak, float(peaks.max()))

    def finish(self) -> None:
        """End the stream: the signal after the last frame is silence."""
        channels = self._before.shape[0]
        self.update(np.zeros((TAPS_PER_PHASE - 1, channels), np.float32))

    @property
    def sample_peak(self) -> float:
        """Largest absolute sample so far, linear."""
        return self._sample_peak

    @property
    def true_peak(self) -> float:
        """Largest true peak, linear; until ``finish``, without the last 16 frames."""
        return self._true_peak


def true_peak(samples: NDArray[np.float32], sample_rate_hz: int) -> float:
    """Measure the true peak of (frames, channels) float32 samples; linear, 1.0 is full scale."""
    meter = TruePeakMeter(sample_rate_hz, samples.shape[1])
    for block in np.array_split(samples, len(samples) // (1 << 16) + 1):
        meter.update(block)
    meter.finish()
    return meter.true_peak
