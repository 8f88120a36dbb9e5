"""What a master shall measure, and which programmes can be mastered at all."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from studio_pipelines.errors import InvalidParameter, UnusableMedia
from studio_pipelines.media.audio_blocks import ReportShare, Samples, blocks_of
from studio_pipelines.media.k_weighting import channel_weights
from studio_pipelines.media.loudness import SHORTEST_S, Loudness, LoudnessMeter, amplitude
from studio_pipelines.media.loudness_gating import ABSOLUTE_GATE_LUFS
from studio_pipelines.media.loudness_range import RANGE_TOLERANCE_LU
from studio_pipelines.media.programme import Programme
from studio_pipelines.media.reference_match import Reference
from studio_pipelines.media.shaping import UNSHAPED, Shaping

Mode = Literal["linear", "dynamic", "auto"]
TOLERANCE_LU = 0.1
LOWEST_TARGET_LUFS, HIGHEST_TARGET_LUFS = -70.0, -5.0


@dataclass(frozen=True)
class MasteringTarget:
    """What the master shall measure.

    Attributes:
        target_lufs: Integrated loudness, -70 to -5 LUFS.
        true_peak_db: Ceiling of the true peak, -9 to 0 dBTP.
        lra_lu: Largest loudness range, 1 to 30 LU; None leaves the programme's.

    Raises:
        InvalidParameter: A value is out of range.
    """

    target_lufs: float
    true_peak_db: float = -1.0
    lra_lu: float | None = None

    def __post_init__(self) -> None:
        if not LOWEST_TARGET_LUFS <= self.target_lufs <= HIGHEST_TARGET_LUFS:
            raise InvalidParameter(
                f"a loudness target of {self.target_lufs:g} LUFS is outside -70 to -5",
                field="targetLufs",
            )
        if not -9.0 <= self.true_peak_db <= 0.0:
            raise InvalidParameter(
                f"a true-peak ceiling of {self.true_peak_db:g} dBTP is outside -9 to 0",
                field="truePeakDb",
            )
        if self.lra_lu is not None and not 1.0 <= self.lra_lu <= 30.0:
            raise InvalidParameter(
                f"a loudness range of {self.lra_lu:g} LU is outside 1 to 30", field="lra"
            )


PRESETS: Mapping[str, MasteringTarget] = MappingProxyType(
    {
        # Spotify for Artists, "Loudness normalization": -14 LUFS, peaks below -1 dBTP
        "streaming": MasteringTarget(-14.0, -1.0),
        # The level of Apple's Sound Check; -1 dBTP leaves room for AAC (Apple Digital Masters)
        "apple": MasteringTarget(-16.0, -1.0),
        # Apple Podcasts, "Audio requirements": -16 LKFS within 1 dB, at most -1 dBTP
        "podcast": MasteringTarget(-16.0, -1.0),
        # EBU R 128 (2023): -23.0 LUFS, at most -1 dBTP
        "ebu": MasteringTarget(-23.0, -1.0),
        # ATSC A/85:2013: -24 LKFS, at most -2 dBTP
        "atsc": MasteringTarget(-24.0, -2.0),
    }
)


def target_of(
    preset: str | None,
    target_lufs: float | None,
    true_peak_db: float | None,
    lra_lu: float | None,
    reference: Reference | None,
) -> MasteringTarget:
    """Choose the target: what is named, else the preset's, else the reference's loudness.

    Args:
        preset: A name in ``PRESETS``; None is ``streaming``, or the reference's loudness.
        target_lufs: Loudness instead.
        true_peak_db: Ceiling instead.
        lra_lu: Largest loudness range.
        reference: What to match, or None.
    """
    chosen = PRESETS[preset or "streaming"]
    lufs = chosen.target_lufs
    if target_lufs is not None:
        lufs = target_lufs
    elif preset is None and reference is not None:
        lufs = round(reference.integrated_lufs, 2)
        lufs = min(max(lufs, LOWEST_TARGET_LUFS), HIGHEST_TARGET_LUFS)
    ceiling_db = chosen.true_peak_db if true_peak_db is None else true_peak_db
    return MasteringTarget(lufs, ceiling_db, lra_lu)


@dataclass(frozen=True)
class MasteringSettings:
    """How to reach the target.

    Attributes:
        target: Loudness and ceiling.
        mode: ``linear`` reaches the target by a gain and nothing else, ``dynamic`` and ``auto``
            level a range that is too wide and limit what exceeds the ceiling, and do neither where
            it is not needed.
        dual_mono: Count a single channel as the two loudspeakers that will play it.
        channel_layout: FFmpeg's name of it, for the channels' weights.
        shaping: What to do to the sound before.
    """

    target: MasteringTarget
    mode: Mode = "auto"
    dual_mono: bool = False
    channel_layout: str = ""
    shaping: Shaping = UNSHAPED


def measure_programme(
    samples: Samples,
    sample_rate_hz: int,
    settings: MasteringSettings,
    report_share: ReportShare | None = None,
) -> Programme:
    """Measure what shall be mastered, and refuse what cannot be.

    Raises:
        UnusableMedia: It is shorter than 0.4 s, silent (all below -70 LUFS), constant, holds NaN or
            infinite samples, or has no channels or more than 8.
    """
    duration_s = len(samples) / sample_rate_hz
    if duration_s < SHORTEST_S:
        raise UnusableMedia(
            f"the sound lasts {duration_s:.2f} s; loudness is defined from {SHORTEST_S} s upwards",
            field="audio",
        )
    weights = channel_weights(
        samples.shape[1], settings.channel_layout, dual_mono=settings.dual_mono
    )
    meter = LoudnessMeter(sample_rate_hz, weights)
    moves = False
    for block in blocks_of(samples, report_share):
        meter.update(block)
        moves = moves or bool((np.abs(block - samples[0]) > amplitude(ABSOLUTE_GATE_LUFS)).any())
    loudness = meter.result()
    if loudness.integrated_lufs == -math.inf or not moves:
        raise _silent(loudness)
    return Programme(samples, sample_rate_hz, weights, loudness)


def _silent(loudness: Loudness) -> UnusableMedia:
    """Tell silence from what is there and cannot be heard."""
    peak = f"its true peak is {loudness.true_peak_db:.1f} dBTP"
    if loudness.sample_peak_db > ABSOLUTE_GATE_LUFS:
        return UnusableMedia(
            f"the sound holds nothing that can be heard, though {peak}: a constant offset (DC), or "
            f"what lies below hearing",
            field="audio",
            hint="Check the recording: a constant offset comes from a faulty converter.",
        )
    return UnusableMedia(
        f"the sound is silent: all of it is below {ABSOLUTE_GATE_LUFS:g} LUFS, {peak}",
        field="audio",
        hint="Check that the right file, and the right channel, was exported.",
    )


def is_on_target(loudness: Loudness, target: MasteringTarget, goal_lufs: float) -> bool:
    """Tell whether a master's loudness (to 0.1 LU), true peak and range are as they shall be."""
    return (
        abs(loudness.integrated_lufs - goal_lufs) <= TOLERANCE_LU
        and loudness.true_peak_db <= target.true_peak_db
        and not range_is_missed(loudness, target)
    )


def range_is_missed(loudness: Loudness, target: MasteringTarget) -> bool:
    """Tell whether the loudness range is wider than asked for, by more than 0.5 LU."""
    return target.lra_lu is not None and loudness.lra_lu > target.lra_lu + RANGE_TOLERANCE_LU
