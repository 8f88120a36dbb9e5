"""A filter of minimum phase with any smooth magnitude response, for streams.

Minimum phase, for what is heard of an equaliser is its magnitude, and a linear-phase filter with
the resolution that low notes need would sound before each attack. All channels get the same filter,
so that the image between them stands.
"""

import numpy as np
from numpy import fft
from numpy.typing import NDArray

from studio_pipelines.media.audio_blocks import Samples
from studio_pipelines.media.equaliser import EqCurve

_LENGTH_S = 0.17
_DESIGN_FACTOR = 8
_FFT_FACTOR = 4


def filter_taps(sample_rate_hz: int) -> int:
    """Give the length of the filters at a sample rate: a power of two, at least 0.17 s."""
    return 1 << (round(_LENGTH_S * sample_rate_hz) - 1).bit_length()


def minimum_phase_taps(curve: EqCurve, sample_rate_hz: int) -> NDArray[np.float64]:
    """Design the filter by folding the cepstrum.

    After Oppenheim and Schafer, "Discrete-Time Signal Processing" (3rd edition, 13.5), on a grid
    eight times as fine as the filter is long.

    Returns:
        (taps,) float64; its end is faded, which rounds the response by some hundredths of a dB.
    """
    taps = filter_taps(sample_rate_hz)
    size = _DESIGN_FACTOR * taps
    frequencies_hz = np.linspace(0.0, sample_rate_hz / 2, size // 2 + 1)
    log_magnitude = curve.at(frequencies_hz) * (np.log(10) / 20)
    cepstrum = fft.irfft(log_magnitude, size)
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    response = fft.irfft(np.exp(fft.rfft(cepstrum)), size)[:taps]
    fade = np.hanning(taps // 2)[taps // 4 :]
    response[-len(fade) :] *= fade
    return response


class MinimumPhaseFilter:
    """Filters a stream by overlap-save; the result is as long as the stream, and not delayed."""

    def __init__(self, curve: EqCurve, sample_rate_hz: int, channels: int) -> None:
        taps = minimum_phase_taps(curve, sample_rate_hz)
        self._size = _FFT_FACTOR * len(taps)
        self._response = fft.rfft(taps, self._size).astype(np.complex64)
        # What came before the stream is silence.
        self._waiting = [np.zeros((channels, len(taps) - 1), np.float32)]
        self._past = len(taps) - 1

    def process(self, samples: Samples, /) -> Samples:
        """Take the next block, (frames, channels) float32, and give the frames that are ready."""
        self._waiting.append(samples.T.copy())
        return self._filtered()

    def finish(self) -> Samples:
        """Give the frames that are left."""
        channels, left = len(self._waiting[0]), self._frames_waiting - self._past
        self._waiting.append(np.zeros((channels, self._size - self._past - left), np.float32))
        return self._filtered()[:left]

    @property
    def _frames_waiting(self) -> int:
        return sum(part.shape[1] for part in self._waiting)

    def _filtered(self) -> Samples:
        stream = np.concatenate(self._waiting, axis=1)
        hop, channels = self._size - self._past, len(stream)
        rounds = max(0, (stream.shape[1] - self._past) // hop)
        ready = np.empty((rounds * hop, channels), np.float32)
        for n in range(rounds):
            spectrum = fft.rfft(stream[:, n * hop : n * hop + self._size], axis=1)
            spectrum *= self._response
            valid = fft.irfft(spectrum, self._size, axis=1)[:, self._past :]
            ready[n * hop : (n + 1) * hop] = valid.T
        self._waiting = [stream[:, rounds * hop :].copy()]
        return ready
