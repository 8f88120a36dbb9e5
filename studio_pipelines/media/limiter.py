"""A look-ahead limiter that holds the true peak, not only the samples, under a ceiling.

The gain is 1 wherever nothing exceeds the ceiling, so that such programme passes bit for bit. Where
a peak does, the reduction it needs is held over the whole look-ahead (a sliding maximum), released
in dependence on the programme, and rounded by two moving averages whose window lies inside the
hold: the gain has reached its value before the peak arrives, without a corner. All channels share
one gain, so that the stereo image stands still.

A gain that moves changes the signal between samples too, by some 1e-5 dB (measured on noise). A
second, equal stage takes that away; it leaves alone whatever the first one got right.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.true_peak import (
    FRAMES_AFTER,
    TAPS_PER_PHASE,
    interpolators,
    interval_peaks,
)

LOOK_AHEAD_S = 0.005
FAST_RELEASE_S = 0.060
SUSTAINED_S = 0.300
# float32 rounding of the output, times the interpolators' largest gain
_ROUNDING_MARGIN = 4e-7
# Reductions are whole multiples of 2^-32: sums of integers are exact however the stream is cut, and
# return to exactly zero.
_UNIT = float(1 << 32)
_INAUDIBLE = 1e-6  # -120 dB: a release that has come this far ends


@njit(cache=True, nogil=True)
def _smooth_gain(  # pragma: no cover - compiled
    peaks: NDArray[np.float32],
    ceiling: float,
    releases: tuple[float, float],
    hold: int,
    hold_ring: NDArray[np.int64],
    first_ring: NDArray[np.int64],
    second_ring: NDArray[np.int64],
    counters: NDArray[np.int64],
    envelope: NDArray[np.float64],
    gain: NDArray[np.float64],
) -> None:
    """Turn interval peaks into the gain; everything but ``peaks`` and ``gain`` is state.

    ``hold_ring`` is a queue of (frame, reduction) rows with falling reductions: its head is the
    maximum over the hold (Lemire, "Streaming maximum-minimum filter", 2006). Its length is a power
    of two, because a division a frame would cost more than all the rest.
    """
    fast, slow = releases
    mask, width = hold_ring.shape[0] - 1, first_ring.shape[0]
    head, tail, frame, first_sum, second_sum = counters
    released, sustained = envelope
    slot = frame % width
    norm = 1.0 / (float(width) * width * _UNIT)
    for n in range(peaks.shape[0]):
        needed = 0
        if peaks[n] > ceiling:
            needed = np.int64(np.ceil((1.0 - ceiling / peaks[n]) * _UNIT))
        while tail > head and hold_ring[(tail - 1) & mask, 1] <= needed:
            tail -= 1
        hold_ring[tail & mask, 0] = frame
        hold_ring[tail & mask, 1] = needed
        tail += 1
        if hold_ring[head & mask, 0] <= frame - hold:
            head += 1
        held = hold_ring[head & mask, 1] / _UNIT
        sustained += slow * (held - sustained)
        released = max(held, sustained + fast * (released - sustained))
        if held == 0.0 and released < _INAUDIBLE:
            released = sustained = 0.0
        reduction = np.int64(np.ceil(released * _UNIT))
        first_sum += reduction - first_ring[slot]
        first_ring[slot] = reduction
        second_sum += first_sum - second_ring[slot]
        second_ring[slot] = first_sum
        gain[n] = 1.0 - second_sum * norm
        frame += 1
        slot = slot + 1 if slot + 1 < width else 0
    counters[0], counters[1], counters[2] = head, tail, frame
    counters[3], counters[4] = first_sum, second_sum
    envelope[0], envelope[1] = released, sustained


class _Stage:
    """One limiter of constant latency, fed and drained in planar blocks."""

    def __init__(self, sample_rate_hz: int, channels: int, ceiling: float) -> None:
        width = max(2, round(LOOK_AHEAD_S * sample_rate_hz / 2))
        window = 2 * width - 1
        delay = window + FRAMES_AFTER - 2
        self._hold = window + 2 * FRAMES_AFTER - 1
        self.latency = delay + FRAMES_AFTER
        self.lowest_gain = 1.0
        self._ceiling = ceiling
        self._filters = interpolators(sample_rate_hz)
        self._releases = (
            float(np.exp(-1 / (FAST_RELEASE_S * sample_rate_hz))),
            float(-np.expm1(-1 / (SUSTAINED_S * sample_rate_hz))),
        )
        self._hold_ring = np.zeros((1 << self._hold.bit_length(), 2), np.int64)
        self._first_ring = np.zeros(width, np.int64)
        self._second_ring = np.zeros(width, np.int64)
        self._counters = np.zeros(5, np.int64)
        self._envelope = np.zeros(2)
        self._past = np.zeros((channels, max(self.latency, TAPS_PER_PHASE - 1)), np.float32)

    def process(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take (channels, frames) and give as many frames, ``latency`` late."""
        frames, past = block.shape[1], self._past.shape[1]
        stream = np.concatenate([self._past, block], axis=1)
        self._past = stream[:, frames:].copy()
        peaks = interval_peaks(
            stream[:, past - (TAPS_PER_PHASE - 1) :], self._filters, self._ceiling
        )
        gain = np.empty(frames)
        _smooth_gain(
            peaks,
            self._ceiling,
            self._releases,
            self._hold,
            self._hold_ring,
            self._first_ring,
            self._second_ring,
            self._counters,
            self._envelope,
            gain,
        )
        late = stream[:, past - self.latency : past - self.latency + frames]
        lowest = float(gain.min())
        if lowest == 1.0:
            return late
        self.lowest_gain = min(self.lowest_gain, lowest)
        return late * gain.astype(np.float32)


class TruePeakLimiter:
    """Limits a stream; whatever the blocks it comes in, the result is the same.

    The release has two parts (after the "auto" release of mastering limiters): what the programme
    needs on average over 0.3 s is held, and only what exceeds that is let go of within 60 ms. Short
    peaks leave no hole behind them, and dense programme does not pump.

    Args:
        sample_rate_hz: Samples a second.
        channels: Number of channels, all under one gain.
        ceiling: Linear true peak that the output does not exceed, > 0.
        is_draft: Leave out the second stage: half the work, for trials whose output is only
            measured for loudness.
    """

    def __init__(
        self, sample_rate_hz: int, channels: int, ceiling: float, *, is_draft: bool = False
    ) -> None:
        aim = ceiling * (1 - _ROUNDING_MARGIN)
        self._stages = [_Stage(sample_rate_hz, channels, aim) for _ in range(1 if is_draft else 2)]
        self._channels = channels
        self._late = sum(stage.latency for stage in self._stages)

    @property
    def max_reduction_db(self) -> float:
        """Largest gain reduction so far, in dB, ≥ 0."""
        return float(-20 * np.log10(np.prod([stage.lowest_gain for stage in self._stages])))

    def process(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next block, (frames, channels) float32, and give the frames that are ready."""
        if not len(samples):
            return samples
        planar = samples.T
        for stage in self._stages:
            planar = stage.process(planar)
        early = min(self._late, len(samples))
        self._late -= early
        return np.ascontiguousarray(planar[:, early:].T)

    def finish(self) -> NDArray[np.float32]:
        """End the stream and give the frames that are left."""
        latency = sum(stage.latency for stage in self._stages)
        return self.process(np.zeros((latency, self._channels), np.float32))
