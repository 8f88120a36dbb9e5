"""Write a master to a file that is on target itself.

What counts is what the listener gets: the encoded file is decoded and measured. A lossy codec moves
peaks by a dB and more, and loudness by some tenths. Where the file is above the ceiling or off the
target, it is made again, aiming as much the other way; the best of the files is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from studio_pipelines.media.album import album_loudness
from studio_pipelines.media.audio_chain import ReportProgress, part_of, render, within
from studio_pipelines.media.audio_encode import AudioEncoder
from studio_pipelines.media.audio_encoding import AudioEncoding
from studio_pipelines.media.encoded_loudness import measure_file
from studio_pipelines.media.loudness import Loudness, amplitude, decibels
from studio_pipelines.media.mastering_plan import Aim, MasteringPlan, plan_master
from studio_pipelines.media.mastering_target import (
    TOLERANCE_LU,
    MasteringSettings,
    MasteringTarget,
)
from studio_pipelines.media.programme import Programme
from studio_pipelines.media.true_peak import interpolators

MOST_TRIES = 5
# A denser master overshoots more: back off further than the file went over.
_BACK_OFF = 1.25
_BACK_OFF_DB = 0.1


@dataclass(frozen=True, eq=False)
class FileJob:
    """What stays the same however often a file is made.

    Attributes:
        programme: What to master, at the rate of the file.
        tags: Title, artist and so on.
        settings: Target and mode.
        encoding: Format of the file.
        path: File to write; tries lie beside it.
    """

    programme: Programme
    tags: dict[str, str]
    settings: MasteringSettings
    encoding: AudioEncoding
    path: Path

    @property
    def candidate(self) -> Path:
        """Where a try is written."""
        return self.path.with_name(f"try-{self.path.name}")

    def first_ceiling_db(self) -> float:
        """Give the ceiling less what rounding to integers can add, dBTP."""
        filters = interpolators(self.programme.sample_rate_hz)
        rounding = self.encoding.quantisation_step * filters.gain_bound
        return decibels(amplitude(self.settings.target.true_peak_db) - rounding)


@dataclass(frozen=True, eq=False)
class MasterFile:
    """A file that was made.

    Attributes:
        plan: What was done to the level.
        loudness: What the file measures, decoded again.
        max_reduction_db: Largest reduction by the limiter, ≥ 0.
        back_off_db: How far below the ceiling it aimed, for what the codec adds, ≥ 0.
        tries: How often a file was made.
    """

    plan: MasteringPlan
    loudness: Loudness
    max_reduction_db: float
    back_off_db: float
    tries: int


def files_on_target(
    jobs: Sequence[FileJob], report_progress: ReportProgress | None
) -> list[MasterFile]:
    """Make a file, or those of an album, until it is on target or another try is of no use.

    Args:
        jobs: The files; they share target and mode, and get the same gain.
        report_progress: Called with the share done, 0 to 1, and what is being done.
    """
    settings = jobs[0].settings
    tracks = [job.programme for job in jobs]
    aim = Aim(settings.target.target_lufs, tuple(job.first_ceiling_db() for job in jobs))
    best: list[MasterFile] = []
    tries = 0
    while True:
        share = within(report_progress, *(1 - 0.3**n for n in (tries, tries + 1)))
        searching = part_of(share, 0.0, 0.4, "finding the gain")
        plan = plan_master(tracks, settings.mode, aim, searching)
        tries += 1
        made = [
            _made(job, n, plan, aim, tries, within(share, *_parts(jobs, n)))
            for n, job in enumerate(jobs)
        ]
        if not best or _misses(made, settings.target) < _misses(best, settings.target):
            best = made
            for job in jobs:
                job.candidate.replace(job.path)
        better = _corrected(aim, made, settings.target, plan)
        if better == aim or tries == MOST_TRIES:
            return [replace(file, tries=tries) for file in best]
        aim = better


def _parts(jobs: Sequence[FileJob], track: int) -> tuple[float, float]:
    """Give the part of a try that a track's file takes, behind the search."""
    lengths_s = [job.programme.duration_s for job in jobs]
    start, stop = (sum(lengths_s[:n]) / sum(lengths_s) for n in (track, track + 1))
    return 0.4 + 0.6 * start, 0.4 + 0.6 * stop


def _made(
    job: FileJob,
    track: int,
    plan: MasteringPlan,
    aim: Aim,
    tries: int,
    report_progress: ReportProgress | None,
) -> MasterFile:
    """Write the file beside its place, and measure it."""
    limiter = plan.limiter(job.programme, track)
    stages = plan.stages(job.programme, limiter)
    writing = part_of(report_progress, 0.0, 0.7, "encoding")
    with AudioEncoder(
        job.candidate,
        job.encoding,
        job.programme.sample_rate_hz,
        job.programme.channels,
        channel_layout=job.settings.channel_layout,
        tags=job.tags,
        frames=len(job.programme.samples),
    ) as encoder:
        for block in render(job.programme.samples, stages, writing):
            encoder.write(block)
    loudness = measure_file(
        job.candidate,
        channel_layout=job.settings.channel_layout,
        dual_mono=job.settings.dual_mono,
        report_progress=part_of(report_progress, 0.7, 1.0, "measuring the file"),
    )
    reduction_db = limiter.max_reduction_db if limiter else 0.0
    back_off_db = job.first_ceiling_db() - aim.ceilings_db[track]
    return MasterFile(plan, loudness, reduction_db, back_off_db, tries)


def _misses(made: Sequence[MasterFile], target: MasteringTarget) -> tuple[float, float]:
    """Give how far files are off: above the ceiling, which weighs more, and in loudness."""
    over_db = max(file.loudness.true_peak_db for file in made) - target.true_peak_db
    loudness_lufs = album_loudness([file.loudness for file in made]).integrated_lufs
    return max(0.0, over_db), abs(loudness_lufs - target.target_lufs)


def _corrected(
    aim: Aim, made: Sequence[MasterFile], target: MasteringTarget, plan: MasteringPlan
) -> Aim:
    """Move the aim by what the codec did; it stays where the files are as good as they get."""
    loudness_lufs = aim.loudness_lufs
    together = album_loudness([file.loudness for file in made])
    off_lu = target.target_lufs - together.integrated_lufs
    if plan.reached and abs(off_lu) > TOLERANCE_LU:
        loudness_lufs += off_lu
    overs_db = [file.loudness.true_peak_db - target.true_peak_db for file in made]
    ceilings_db = [
        ceiling_db - (_BACK_OFF * over_db + _BACK_OFF_DB if over_db > 0 else 0.0)
        for ceiling_db, over_db in zip(aim.ceilings_db, overs_db, strict=True)
    ]
    return Aim(loudness_lufs, tuple(ceilings_db))
