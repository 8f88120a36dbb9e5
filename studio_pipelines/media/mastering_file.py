"""Write a master to a file that is on target itself.

What counts is what the listener gets: the encoded file is decoded and measured. A lossy codec moves
peaks by a dB and more, and loudness by some tenths. Where the file is above the ceiling or off the
target, it is made again, aiming as much the other way; the best of the files is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from studio_pipelines.media.audio_blocks import ReportShare, Samples
from studio_pipelines.media.audio_chain import ReportProgress, part_of, render, within
from studio_pipelines.media.audio_encode import AudioEncoder
from studio_pipelines.media.audio_encoding import AudioEncoding
from studio_pipelines.media.encoded_loudness import measure_file
from studio_pipelines.media.loudness import EnergyMeter, Loudness, amplitude, decibels
from studio_pipelines.media.loudness_gating import integrated_lufs
from studio_pipelines.media.mastering_plan import Aim, MasteringPlan, plan_master
from studio_pipelines.media.mastering_target import TOLERANCE_LU, MasteringSettings
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
        album: The plan of the album that it is a track of, whose gain it gets; or None.
    """

    programme: Programme
    tags: dict[str, str]
    settings: MasteringSettings
    encoding: AudioEncoding
    path: Path
    album: MasteringPlan | None = None

    @property
    def candidate(self) -> Path:
        """Where a try is written."""
        return self.path.with_name(f"try-{self.path.name}")

    def first_aim(self) -> Aim:
        """Aim at the target, below the ceiling by what rounding to integers can add."""
        return first_aim(self.settings, self.encoding, self.programme.sample_rate_hz)

    def plan(self, aim: Aim, tries: int, report_share: ReportShare | None) -> MasteringPlan:
        """Find the gain for an aim; an album's track begins with the album's gain.

        What the codec then takes from its loudness, it is given alone.
        """
        mode, album = self.settings.mode, self.album
        if album is not None and tries == 1:
            # The limiter leaves alone a track that stays below the ceiling.
            return replace(album, ceiling_db=None if mode == "linear" else aim.ceiling_db)
        return plan_master([self.programme], mode, aim, report_share)


@dataclass(frozen=True, eq=False)
class MasterFile:
    """A file that was made.

    Attributes:
        plan: What was done to the level.
        rendered_lufs: Loudness of what was encoded.
        loudness: What the file measures, decoded again.
        max_reduction_db: Largest reduction by the limiter, ≥ 0.
        back_off_db: How far below the ceiling it aimed, for what the codec adds, ≥ 0.
        goal_lufs: What it shall measure: the target, or a track's share of the album.
        tries: How often a file was made.
    """

    plan: MasteringPlan
    rendered_lufs: float
    loudness: Loudness
    max_reduction_db: float
    back_off_db: float
    goal_lufs: float
    tries: int

    @property
    def is_off_lu(self) -> float:
        """How much louder it should be."""
        return self.goal_lufs - self.loudness.integrated_lufs

    def over_db(self, ceiling_db: float) -> float:
        """Give how far the true peak is above a ceiling, ≥ 0."""
        return max(0.0, self.loudness.true_peak_db - ceiling_db)


def first_aim(settings: MasteringSettings, encoding: AudioEncoding, sample_rate_hz: int) -> Aim:
    """Aim at the target, below the ceiling by what rounding to integers can add."""
    rounding = encoding.quantisation_step * interpolators(sample_rate_hz).gain_bound
    ceiling_db = decibels(amplitude(settings.target.true_peak_db) - rounding)
    return Aim(settings.target.target_lufs, ceiling_db)


def file_on_target(job: FileJob, report_progress: ReportProgress | None) -> MasterFile:
    """Make the file until it is on target, or another try is of no use.

    Args:
        job: What to make.
        report_progress: Called with the share done, 0 to 1, and what is being done.
    """
    ceiling_db = job.settings.target.true_peak_db
    aim = job.first_aim()
    goal_lufs = None if job.album else aim.loudness_lufs
    best: MasterFile | None = None
    tries = 0
    while True:
        share = within(report_progress, *(1 - 0.3**n for n in (tries, tries + 1)))
        tries += 1
        made = _made(job, aim, goal_lufs, tries, share)
        if goal_lufs is None:
            goal_lufs = made.goal_lufs
            aim = Aim(goal_lufs, aim.ceiling_db)
        if best is None or _misses(made, ceiling_db) < _misses(best, ceiling_db):
            best = made
            job.candidate.replace(job.path)
        better = _corrected(aim, made, ceiling_db)
        if better == aim or tries == MOST_TRIES:
            return replace(best, tries=tries)
        aim = better


def _made(
    job: FileJob,
    aim: Aim,
    goal_lufs: float | None,
    tries: int,
    report_progress: ReportProgress | None,
) -> MasterFile:
    """Write the file beside its place, and measure it."""
    plan = job.plan(aim, tries, part_of(report_progress, 0.0, 0.4, "finding the gain"))
    limiter = plan.limiter(job.programme)
    stages = plan.stages(job.programme, limiter)
    writing = part_of(report_progress, 0.4, 0.8, "encoding")
    rendered_lufs = _write(job, render(job.programme.samples, stages, writing))
    loudness = measure_file(
        job.candidate,
        channel_layout=job.settings.channel_layout,
        dual_mono=job.settings.dual_mono,
        report_progress=part_of(report_progress, 0.8, 1.0, "measuring the file"),
    )
    return MasterFile(
        plan,
        rendered_lufs,
        loudness,
        limiter.max_reduction_db if limiter else 0.0,
        job.first_aim().ceiling_db - aim.ceiling_db,
        rendered_lufs if goal_lufs is None else goal_lufs,
        tries,
    )


def _write(job: FileJob, blocks: Iterable[Samples]) -> float:
    """Encode what was rendered, and give its loudness."""
    meter = EnergyMeter(job.programme.sample_rate_hz, job.programme.weights)
    with AudioEncoder(
        job.candidate,
        job.encoding,
        job.programme.sample_rate_hz,
        job.programme.channels,
        channel_layout=job.settings.channel_layout,
        tags=job.tags,
        frames=len(job.programme.samples),
    ) as encoder:
        for block in blocks:
            encoder.write(block)
            meter.update(block)
    return integrated_lufs(meter.step_energies)


def _misses(made: MasterFile, ceiling_db: float) -> tuple[float, float]:
    """Give how far a file is off: above the ceiling, which weighs more, and in loudness."""
    return made.over_db(ceiling_db), abs(made.is_off_lu)


def _corrected(aim: Aim, made: MasterFile, ceiling_db: float) -> Aim:
    """Move the aim by what the codec did; it stays where the file is as good as it gets."""
    loudness_lufs, lower_ceiling_db = aim.loudness_lufs, aim.ceiling_db
    if made.plan.reached and abs(made.is_off_lu) > TOLERANCE_LU:
        loudness_lufs += made.is_off_lu
    over_db = made.over_db(ceiling_db)
    if over_db:
        lower_ceiling_db -= _BACK_OFF * over_db + _BACK_OFF_DB
    return Aim(loudness_lufs, lower_ceiling_db)
