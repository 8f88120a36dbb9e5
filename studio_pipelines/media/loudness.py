"""Programme loudness after ITU-R BS.1770-5, EBU Tech 3341 (meters) and Tech 3342 (loudness range).

One pass over the samples gives everything: K-weighted energies of 10 ms steps, from which all
loudness figures follow, and the peaks. A tone in both channels at 0 dBFS and 997 Hz reads 0 LUFS.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.audio_blocks import ReportShare, blocks_of
from studio_pipelines.media.k_weighting import (
    add_weighted_energies,
    channel_weights,
    k_weighting,
)
from studio_pipelines.media.loudness_gating import (
    HOP_STEPS,
    MOMENTARY_STEPS,
    SHORT_TERM_STEPS,
    STEPS_PER_SECOND,
    integrated_lufs,
    loudness_range_lu,
    lufs,
    sliding_mean,
)
from studio_pipelines.media.true_peak import TruePeakMeter

SHORTEST_S = 0.4
LOWEST_SAMPLE_RATE_HZ = 8_000


@dataclass(frozen=True, eq=False)
class Loudness:
    """What a programme measures.

    Attributes:
        integrated_lufs: Gated loudness of the whole, -inf where all of it is below the gate.
        lra_lu: Loudness range, 0 for less than 3 s.
        max_momentary_lufs: Largest loudness of any 0.4 s, found in steps of 10 ms.
        max_short_term_lufs: Largest loudness of any 3 s; what precedes the start counts as silence.
        sample_peak_db: Largest sample, dBFS.
        true_peak_db: Higher of the 16-times and libebur128's 4-times true peak, dBTP.
        momentary_lufs: (steps,) float64 at 10 Hz; element ``n`` is the window up to (n + 1) / 10 s.
        short_term_lufs: (steps,) float64, likewise.
        step_energies: (steps,) float64, channel-weighted mean squares of consecutive 10 ms.
        step_peaks: (steps,) float64, largest sample of each, linear.
    """

    integrated_lufs: float
    lra_lu: float
    max_momentary_lufs: float
    max_short_term_lufs: float
    sample_peak_db: float
    true_peak_db: float
    momentary_lufs: NDArray[np.float64]
    short_term_lufs: NDArray[np.float64]
    step_energies: NDArray[np.float64]
    step_peaks: NDArray[np.float64]


def decibels(amplitude: float) -> float:
    """Turn a linear amplitude into dB; -inf for 0."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def amplitude(level_db: float) -> float:
    """Turn dB into a linear amplitude."""
    return 10 ** (level_db / 20)


class EnergyMeter:
    """Takes the K-weighted energy of a stream of blocks; holds 16 bytes for each 10 ms.

    Args:
        sample_rate_hz: At least 8000.
        weights: Weight of each channel, from ``channel_weights``.

    Raises:
        UnusableMedia: The rate is too low to hold what K-weighting weights.
    """

    def __init__(self, sample_rate_hz: int, weights: NDArray[np.float64]) -> None:
        if sample_rate_hz < LOWEST_SAMPLE_RATE_HZ:
            raise UnusableMedia(
                f"the sound has {sample_rate_hz} samples a second; loudness is defined from "
                f"{LOWEST_SAMPLE_RATE_HZ} upwards",
                field="audio",
            )
        self._rate = sample_rate_hz
        self._weights = weights
        self._sections = k_weighting(sample_rate_hz)
        self._state = np.zeros((len(weights), 6))
        self._position = 0
        self._energies: list[NDArray[np.float64]] = []
        self._peaks: list[NDArray[np.float64]] = []

    def update(self, samples: NDArray[np.float32]) -> None:
        """Take the next block, (frames, channels) float32.

        Raises:
            UnusableMedia: A sample is NaN or infinite.
        """
        after = self._position + len(samples)
        complete = self._step_of(after) - self._step_of(self._position)
        energies, peaks = np.empty((2, complete, len(self._weights)))
        add_weighted_energies(
            samples, self._sections, self._state, self._position, self._rate, energies, peaks
        )
        if not np.isfinite(self._state).all():
            raise UnusableMedia(
                f"the sound holds NaN or infinite samples near {self._position / self._rate:.1f} s",
                field="audio",
                hint="Export it again from the program that made it.",
            )
        self._position = after
        self._peaks.append(peaks.max(axis=1))
        self._energies.append(energies @ self._weights * (STEPS_PER_SECOND / self._rate))

    def _step_of(self, frame: int) -> int:
        return frame * STEPS_PER_SECOND // self._rate

    @property
    def step_energies(self) -> NDArray[np.float64]:
        """(steps,) float64, channel-weighted mean squares of the complete 10 ms so far."""
        return np.concatenate([np.empty(0), *self._energies])

    @property
    def step_peaks(self) -> NDArray[np.float64]:
        """(steps,) float64, largest sample of each, linear."""
        return np.concatenate([np.empty(0), *self._peaks])


class LoudnessMeter:
    """Measures a stream of blocks in one pass; see ``EnergyMeter`` for arguments and errors."""

    def __init__(self, sample_rate_hz: int, weights: NDArray[np.float64]) -> None:
        self._energy = EnergyMeter(sample_rate_hz, weights)
        self._peaks = TruePeakMeter(sample_rate_hz, len(weights))

    def update(self, samples: NDArray[np.float32]) -> None:
        """Take the next block, (frames, channels) float32."""
        self._energy.update(samples)
        self._peaks.update(samples)

    def result(self) -> Loudness:
        """End the stream and give what it measures."""
        self._peaks.finish()
        return loudness_of_steps(
            self._energy.step_energies,
            self._energy.step_peaks,
            sample_peak_db=decibels(self._peaks.sample_peak),
            true_peak_db=decibels(self._peaks.true_peak),
        )


def loudness_of_steps(
    step_energies: NDArray[np.float64],
    step_peaks: NDArray[np.float64],
    *,
    sample_peak_db: float,
    true_peak_db: float,
) -> Loudness:
    """Work out all figures from energies and peaks of 10 ms; see ``Loudness`` for what they are."""
    momentary = sliding_mean(step_energies, MOMENTARY_STEPS)
    short_term = sliding_mean(step_energies, SHORT_TERM_STEPS)
    return Loudness(
        integrated_lufs=integrated_lufs(step_energies),
        lra_lu=loudness_range_lu(step_energies),
        max_momentary_lufs=float(lufs(momentary.max(initial=0.0))),
        max_short_term_lufs=float(lufs(short_term.max(initial=0.0))),
        sample_peak_db=sample_peak_db,
        true_peak_db=true_peak_db,
        momentary_lufs=lufs(momentary[HOP_STEPS - 1 :: HOP_STEPS]),
        short_term_lufs=lufs(short_term[HOP_STEPS - 1 :: HOP_STEPS]),
        step_energies=step_energies,
        step_peaks=step_peaks,
    )


def measure(
    samples: NDArray[np.float32],
    sample_rate_hz: int,
    *,
    channel_layout: str = "",
    dual_mono: bool = False,
    report_progress: ReportShare | None = None,
) -> Loudness:
    """Measure a programme in one pass, in blocks: a memory map is read once and never copied.

    Args:
        samples: (frames, channels) float32, 1 to 8 channels.
        sample_rate_hz: At least 8000.
        channel_layout: See ``channel_weights``.
        dual_mono: See ``channel_weights``.
        report_progress: Called with the share done, 0 to 1, before each block; may raise to cancel.

    Raises:
        UnusableMedia: See ``EnergyMeter`` and ``channel_weights``.
    """
    weights = channel_weights(samples.shape[1], channel_layout, dual_mono=dual_mono)
    meter = LoudnessMeter(sample_rate_hz, weights)
    for block in blocks_of(samples, report_progress):
        meter.update(block)
    return meter.result()
