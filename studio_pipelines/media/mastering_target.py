"""What a master shall measure, and which programmes can be mastered at all."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from studio_pipelines.errors import InvalidParameter, UnusableMedia
from studio_pipelines.media.audio_chain import ReportShare, Samples
from studio_pipelines.media.loudness import ABSOLUTE_GATE_LUFS, SHORTEST_S, Loudness, measure

Mode = Literal["linear", "dynamic", "auto"]
TOLERANCE_LU = 0.1


@dataclass(frozen=True)
class MasteringTarget:
    """What the master shall measure.

    Attributes:
        target_lufs: Integrated loudness, -70 to -5 LUFS.
        true_peak_db: Ceiling of the true peak, -9 to 0 dBTP.

    Raises:
        InvalidParameter: A value is out of range.
    """

    target_lufs: float
    true_peak_db: float = -1.0

    def __post_init__(self) -> None:
        if not -70.0 <= self.target_lufs <= -5.0:
            raise InvalidParameter(
                f"a loudness target of {self.target_lufs:g} LUFS is outside -70 to -5",
                field="targetLufs",
            )
        if not -9.0 <= self.true_peak_db <= 0.0:
            raise InvalidParameter(
                f"a true-peak ceiling of {self.true_peak_db:g} dBTP is outside -9 to 0",
                field="truePeakDb",
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


@dataclass(frozen=True)
class MasteringSettings:
    """How to reach the target.

    Attributes:
        target: Loudness and ceiling.
        mode: ``linear`` changes the gain and nothing else, ``dynamic`` limits what exceeds the
            ceiling, ``auto`` is linear where that reaches the target.
        dual_mono: Count a single channel as the two loudspeakers that will play it.
        channel_layout: FFmpeg's name of it, for the channels' weights.
    """

    target: MasteringTarget
    mode: Mode = "auto"
    dual_mono: bool = False
    channel_layout: str = ""


def measure_programme(
    samples: Samples,
    sample_rate_hz: int,
    settings: MasteringSettings,
    report_share: ReportShare | None = None,
) -> Loudness:
    """Measure what shall be mastered, and refuse what cannot be.

    Raises:
        UnusableMedia: It is shorter than 0.4 s, silent (all below -70 LUFS), holds NaN or infinite
            samples, or has no channels or more than 8.
    """
    duration_s = len(samples) / sample_rate_hz
    if duration_s < SHORTEST_S:
        raise UnusableMedia(
            f"the sound lasts {duration_s:.2f} s; loudness is defined from {SHORTEST_S} s upwards",
            field="audio",
        )
    loudness = measure(
        samples,
        sample_rate_hz,
        channel_layout=settings.channel_layout,
        dual_mono=settings.dual_mono,
        report_progress=report_share,
    )
    if loudness.integrated_lufs == -math.inf:
        raise UnusableMedia(
            f"the sound is silent: all of it is below {ABSOLUTE_GATE_LUFS:g} LUFS, "
            f"its true peak is {loudness.true_peak_db:.1f} dBTP",
            field="audio",
            hint="Check that the right file, and the right channel, was exported.",
        )
    return loudness


def is_on_target(loudness: Loudness, target: MasteringTarget) -> bool:
    """Tell whether a master is within 0.1 LU of its loudness and not above its ceiling."""
    return (
        abs(loudness.integrated_lufs - target.target_lufs) <= TOLERANCE_LU
        and loudness.true_peak_db <= target.true_peak_db
    )
