"""Bring a programme to a loudness target under a true-peak ceiling."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio_pipelines.media.audio_blocks import Samples
from studio_pipelines.media.audio_chain import ReportProgress, part_of, render, within
from studio_pipelines.media.audio_encoding import AudioEncoding
from studio_pipelines.media.loudness import Loudness, LoudnessMeter
from studio_pipelines.media.loudness_range import MOST_LEVELLING_DB
from studio_pipelines.media.mastering_file import FileJob, file_on_target
from studio_pipelines.media.mastering_plan import Aim, MasteringPlan, plan_master
from studio_pipelines.media.mastering_preparation import prepared
from studio_pipelines.media.mastering_target import (
    MasteringSettings,
    is_on_target,
    range_is_missed,
)
from studio_pipelines.media.shaping import ShapingRecord


@dataclass(frozen=True, eq=False)
class Mastering:
    """A master, and how it came about.

    Attributes:
        settings: What was asked for.
        before: What the programme measured.
        after: What the master measures; of a file, decoded again.
        plan: What was done to the level.
        shaping: What was done to the sound before.
        max_reduction_db: Largest reduction by the limiter, ≥ 0.
        sample_rate_hz: Rate of the master.
        tries: How often it was encoded.
        back_off_db: How far below the ceiling it was limited, for what the codec adds, ≥ 0.
        track_lufs: What a track of an album shall measure, by the album's gain; else None.
        album: The album's plan, or None.
    """

    settings: MasteringSettings
    before: Loudness
    after: Loudness
    plan: MasteringPlan
    shaping: ShapingRecord
    max_reduction_db: float
    sample_rate_hz: int
    tries: int = 1
    back_off_db: float = 0.0
    track_lufs: float | None = None
    album: MasteringPlan | None = None

    @property
    def goal_lufs(self) -> float:
        """What the master shall measure."""
        return self.settings.target.target_lufs if self.track_lufs is None else self.track_lufs

    @property
    def achieved(self) -> bool:
        """Whether loudness (to 0.1 LU), true peak and loudness range are as asked for."""
        album_is_missed = self.album is not None and not self.album.reached
        return not album_is_missed and is_on_target(
            self.after, self.settings.target, self.goal_lufs
        )

    @property
    def mode_reason(self) -> str:
        """Why it is linear or dynamic."""
        reasons = [self.plan.mode_reason]
        levelling = self.shaping.levelling
        if levelling is not None:
            reasons.insert(
                0,
                f"The loudness range is wider than the {self.settings.target.lra_lu:g} LU asked "
                f"for: passages are levelled by up to {np.abs(levelling.gains_db).max():.1f} dB.",
            )
        if self.back_off_db > 0:
            reasons.append(
                f"It stays {self.back_off_db:.2f} dB below the ceiling asked for, which the codec "
                f"fills."
            )
        return " ".join(reasons)

    @property
    def reason(self) -> str:
        """Why it was done so; where it was not achieved, why."""
        if self.achieved:
            return self.mode_reason
        if not self.plan.reached:
            return self.plan.missed_because
        after = self.after
        if range_is_missed(after, self.settings.target):
            return self._why_range_is_missed()
        return (
            f"After {self.tries} tries the encoded file measures {after.integrated_lufs:.2f} LUFS "
            f"and {after.true_peak_db:.2f} dBTP: the codec changes this programme too much."
        )

    def _why_range_is_missed(self) -> str:
        left = f"The loudness range is {self.after.lra_lu:.1f} LU"
        asked = f"not the {self.settings.target.lra_lu:g} LU asked for"
        if self.shaping.levelling is None:
            return f"{left}, {asked}: the linear mode does not level."
        return f"{left}, {asked}: passages are levelled by {MOST_LEVELLING_DB:g} dB at most."


def master(
    samples: Samples,
    sample_rate_hz: int,
    settings: MasteringSettings,
    *,
    out: Samples | None = None,
    report_progress: ReportProgress | None = None,
) -> tuple[Samples, Mastering]:
    """Master a programme in memory, or into a given array.

    Args:
        samples: (frames, channels) float32, 1 to 8 channels, at least 0.4 s; may be a memory map.
        sample_rate_hz: At least 8000.
        settings: Target and mode.
        out: Where to write the master, of the shape of ``samples``; may be a memory map.
        report_progress: See ``master_file``.

    Returns:
        ``out``, or a new array, and how it came about.

    Raises:
        UnusableMedia: See ``measure_programme``.
        InvalidParameter: See ``shaped``.
    """
    made = prepared(
        samples, sample_rate_hz, sample_rate_hz, settings, None, within(report_progress, 0.0, 0.3)
    )
    programme = made.programme
    aim = Aim(settings.target.target_lufs, settings.target.true_peak_db)
    searching = part_of(report_progress, 0.3, 0.7, "finding the gain")
    plan = plan_master([programme], settings.mode, aim, searching)

    meter = LoudnessMeter(sample_rate_hz, programme.weights)
    result = np.empty(samples.shape, np.float32) if out is None else out
    limiter = plan.limiter(programme)
    position = 0
    rendering = part_of(report_progress, 0.7, 1.0, "rendering")
    for block in render(programme.samples, plan.stages(programme, limiter), rendering):
        meter.update(block)
        result[position : position + len(block)] = block
        position += len(block)
    if report_progress:
        report_progress(1.0, "done")
    max_reduction_db = limiter.max_reduction_db if limiter else 0.0
    return result, Mastering(
        settings, made.before, meter.result(), plan, made.shaping, max_reduction_db, sample_rate_hz
    )


def master_file(
    samples: Samples,
    sample_rate_hz: int,
    tags: dict[str, str],
    settings: MasteringSettings,
    encoding: AudioEncoding,
    path: Path,
    *,
    album: MasteringPlan | None = None,
    report_progress: ReportProgress | None = None,
) -> Mastering:
    """Master a programme into a file, and measure that file.

    Args:
        samples: (frames, channels) float32, 1 to 8 channels, at least 0.4 s; may be a memory map,
            of which nothing may have been changed.
        sample_rate_hz: At least 8000. Formats that cannot hold it get the next that they hold.
        tags: Title, artist and so on, for the file.
        settings: Target and mode.
        encoding: Format of the file.
        path: File to write; scratch files lie beside it.
        album: From ``plan_album``, where the programme is a track of an album; else None.
        report_progress: Called with the share done, 0 to 1, and what is being done, before each
            block of about a second; may raise to cancel.

    Raises:
        UnusableMedia: See ``measure_programme``.
        InvalidParameter: The format cannot hold that many channels, or see ``shaped``.
    """
    encoding.require_room_for(samples.shape[1])
    rate = encoding.sample_rate_hz(sample_rate_hz)
    source = prepared(
        samples, sample_rate_hz, rate, settings, path.parent, within(report_progress, 0.0, 0.3)
    )
    job = FileJob(source.programme, tags, settings, encoding, path, album)
    made = file_on_target(job, within(report_progress, 0.3, 1.0))
    if report_progress:
        report_progress(1.0, "done")
    return Mastering(
        settings,
        source.before,
        made.loudness,
        made.plan,
        source.shaping,
        made.max_reduction_db,
        rate,
        made.tries,
        made.back_off_db,
        made.goal_lufs if album else None,
        album,
    )
