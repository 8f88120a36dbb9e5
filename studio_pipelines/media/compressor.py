"""A gentle compressor in three bands, which finds its own thresholds.

Each band is turned down where it is louder than it usually is in this programme: the threshold is
the band's own gated mean level. At that level the gain is 0 dB, so the balance of the bands stays;
above it the band rises by less than the programme does. All channels share one gain a band.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.audio_blocks import Samples
from studio_pipelines.media.crossover import BANDS, STATES, crossover_sections, split_bands

KNEE_DB = 10.0
_ATTACKS_S = (0.030, 0.015, 0.008)
_RELEASES_S = (0.300, 0.180, 0.120)
_DETECTORS_S = (0.040, 0.015, 0.008)
_CONTROLS_PER_SECOND = 1500
_GATE_STEP_HOPS = 150  # 0.1 s
_RELATIVE_GATE = 0.1
_SILENT_POWER = 1e-12


@dataclass(frozen=True)
class CompressionReport:
    """What a compressor did, for the lowest, middle and highest band.

    Attributes:
        ratio: Input rise to output rise above the knee.
        thresholds_db: Gated mean levels, dBFS.
        max_reductions_db: Largest reductions, ≥ 0.
        mean_reductions_db: Reductions averaged over the time that there was any.
    """

    ratio: float
    thresholds_db: tuple[float, ...]
    max_reductions_db: tuple[float, ...]
    mean_reductions_db: tuple[float, ...]


@njit(cache=True, nogil=True)
def _split(  # pragma: no cover - compiled
    x: NDArray[np.float32],
    sections: NDArray[np.float64],
    state: NDArray[np.float64],
    heard: NDArray[np.bool_],
    bands: NDArray[np.float64],
    powers: NDArray[np.float64],
) -> None:
    """Split (channels, hop) frames; give each band's power in its loudest channel."""
    powers[:] = 0.0
    for channel in range(x.shape[0]):
        split_bands(x[channel], sections, state[channel], bands[channel])
        if heard[channel]:
            for band in range(bands.shape[1]):
                total = 0.0
                for n in range(x.shape[1]):
                    total += bands[channel, band, n] * bands[channel, band, n]
                powers[band] = max(powers[band], total / x.shape[1])


@njit(cache=True, nogil=True)
def _band_powers(  # pragma: no cover - compiled
    x: NDArray[np.float32],
    sections: NDArray[np.float64],
    state: NDArray[np.float64],
    heard: NDArray[np.bool_],
    hop: int,
    powers: NDArray[np.float64],
) -> None:
    bands = np.empty((x.shape[0], powers.shape[1], hop))
    for k in range(powers.shape[0]):
        part = x[:, k * hop : (k + 1) * hop]
        _split(part, sections, state, heard, bands, powers[k])


@njit(cache=True, nogil=True)
def _gain_db(excess_db: float, slope: float) -> float:  # pragma: no cover - compiled
    """Give the static curve: a soft knee, raised so that it passes through 0 dB at 0 dB."""
    if excess_db <= -KNEE_DB / 2:
        bent = 0.0
    elif excess_db >= KNEE_DB / 2:
        bent = excess_db
    else:
        bent = (excess_db + KNEE_DB / 2) ** 2 / (2 * KNEE_DB)
    return slope * (KNEE_DB / 8 - bent)


@njit(cache=True, nogil=True)
def _compress(  # pragma: no cover - compiled
    x: NDArray[np.float32],
    sections: NDArray[np.float64],
    state: NDArray[np.float64],
    heard: NDArray[np.bool_],
    hop: int,
    slope: float,
    thresholds_db: NDArray[np.float64],
    smoothing: NDArray[np.float64],
    envelope: NDArray[np.float64],
    statistics: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Compress (channels, hops · hop) frames; ``state``, ``envelope``, ``statistics`` go on.

    ``smoothing`` holds the detector's, the attack's and the release's share of each control step;
    ``envelope`` the detected power, the gain in dB and the linear gain; ``statistics`` the largest
    reduction, the sum of reductions and their number.
    """
    channels, bands_n = x.shape[0], thresholds_db.shape[0]
    bands = np.empty((channels, bands_n, hop))
    powers = np.empty(bands_n)
    for start in range(0, x.shape[1], hop):
        _split(x[:, start : start + hop], sections, state, heard, bands, powers)
        out[:, start : start + hop] = 0.0
        for band in range(bands_n):
            envelope[0, band] += smoothing[0, band] * (powers[band] - envelope[0, band])
            level_db = 10 * np.log10(envelope[0, band] + 1e-20)
            wanted_db = _gain_db(level_db - thresholds_db[band], slope)
            rate = smoothing[1 if wanted_db < envelope[1, band] else 2, band]
            envelope[1, band] += rate * (wanted_db - envelope[1, band])
            before, after = envelope[2, band], 10 ** (envelope[1, band] / 20)
            envelope[2, band] = after
            rise = (after - before) / hop
            for channel in range(channels):
                for n in range(hop):
                    gained = bands[channel, band, n] * (before + rise * (n + 1))
                    out[channel, start + n] += np.float32(gained)
            if envelope[1, band] < 0.0:
                statistics[0, band] = max(statistics[0, band], -envelope[1, band])
                statistics[1, band] -= envelope[1, band]
                statistics[2, band] += 1


def _hop_frames(sample_rate_hz: int) -> int:
    return max(1, round(sample_rate_hz / _CONTROLS_PER_SECOND))


class BandLevels:
    """Measures the usual level of each band of a stream."""

    def __init__(self, sample_rate_hz: int, weights: NDArray[np.float64]) -> None:
        self._hop = _hop_frames(sample_rate_hz)
        self._sections = crossover_sections(sample_rate_hz)
        self._state = np.zeros((len(weights), STATES, 2))
        self._heard = weights > 0
        self._steps: list[NDArray[np.float64]] = [np.empty((0, BANDS))]

    def update(self, samples: Samples) -> None:
        """Take the next block; up to a control step at its end is left out."""
        planar = np.ascontiguousarray(samples.T)
        powers = np.empty((len(samples) // self._hop, BANDS))
        if not len(powers):
            return
        _band_powers(planar, self._sections, self._state, self._heard, self._hop, powers)
        starts = np.arange(0, len(powers), _GATE_STEP_HOPS)
        lengths = np.diff(starts, append=len(powers))
        self._steps.append(np.add.reduceat(powers, starts) / lengths[:, None])

    def levels_db(self) -> tuple[float, ...]:
        """Give each band's mean level without its pauses, gated as BS.1770 gates, dBFS."""
        return tuple(_gated_level_db(band) for band in np.concatenate(self._steps).T)


def _gated_level_db(powers: NDArray[np.float64]) -> float:
    audible = powers[powers > _SILENT_POWER]
    if not audible.size:
        return float(10 * np.log10(_SILENT_POWER))
    usual = audible[audible >= audible.mean() * _RELATIVE_GATE]
    return float(10 * np.log10(usual.mean()))


class MultibandCompressor:
    """Compresses a stream; whatever the blocks it comes in, the result is the same.

    Args:
        sample_rate_hz: At least 8000.
        weights: Weight of each channel; those of 0 are compressed, but not listened to.
        amount: Over 0 to 1; the ratio is 1 + amount.
        thresholds_db: From ``BandLevels``.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        weights: NDArray[np.float64],
        amount: float,
        thresholds_db: tuple[float, ...],
    ) -> None:
        self._hop = _hop_frames(sample_rate_hz)
        self._sections = crossover_sections(sample_rate_hz)
        self._state = np.zeros((len(weights), STATES, 2))
        self._heard = weights > 0
        self._ratio = 1 + amount
        self._thresholds_db = np.array(thresholds_db)
        times_s = np.array([_DETECTORS_S, _ATTACKS_S, _RELEASES_S])
        self._smoothing = -np.expm1(-self._hop / (times_s * sample_rate_hz))
        self._envelope = np.zeros((3, BANDS))
        self._envelope[2] = 1.0
        self._statistics = np.zeros((3, BANDS))
        self._waiting = np.empty((0, len(weights)), np.float32)

    def process(self, samples: Samples, /) -> Samples:
        """Take the next block, (frames, channels) float32, and give the frames that are ready."""
        stream = np.concatenate([self._waiting, samples])
        ready = len(stream) // self._hop * self._hop
        self._waiting = stream[ready:].copy()
        planar = np.ascontiguousarray(stream[:ready].T)
        out = np.empty_like(planar)
        slope = 1 - 1 / self._ratio
        _compress(
            planar,
            self._sections,
            self._state,
            self._heard,
            self._hop,
            slope,
            self._thresholds_db,
            self._smoothing,
            self._envelope,
            self._statistics,
            out,
        )
        return np.ascontiguousarray(out.T)

    def finish(self) -> Samples:
        """Give the frames that are left."""
        left = len(self._waiting)
        padding = np.zeros((-left % self._hop, len(self._heard)), np.float32)
        return self.process(padding)[:left]

    def report(self) -> CompressionReport:
        """Give what was done so far."""
        largest, total, count = self._statistics
        means = total / np.maximum(count, 1)
        return CompressionReport(
            self._ratio, tuple(self._thresholds_db), tuple(largest), tuple(means)
        )
