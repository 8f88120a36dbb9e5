"""Bring a programme to a loudness target under a true-peak ceiling, and write it to a file.

What counts is what the listener gets: the encoded file is measured again, and where a lossy codec
has raised the peaks, the master is made again under a lower ceiling.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio_pipelines.media.audio_chain import (
    ReportProgress,
    ReportShare,
    Samples,
    at_rate,
    part_of,
    render,
)
from studio_pipelines.media.audio_encode import AudioEncoder, AudioEncoding
from studio_pipelines.media.encoded_loudness import measure_file
from studio_pipelines.media.k_weighting import channel_weights
from studio_pipelines.media.loudness import (
    Loudness,
    LoudnessMeter,
    amplitude,
    decibels,
)
from studio_pipelines.media.mastering_plan import Aim, MasteringPlan, plan_master
from studio_pipelines.media.mastering_target import (
    TOLERANCE_LU,
    MasteringSettings,
    MasteringTarget,
    is_on_target,
    measure_programme,
)
from studio_pipelines.media.true_peak import interpolators

MOST_TRIES = 3
# A denser master overshoots more: back off further than the file went over.
_BACK_OFF = 1.25
_BACK_OFF_DB = 0.1


@dataclass(frozen=True, eq=False)
class Mastering:
    """A master, and how it came about.

    Attributes:
        settings: What was asked for.
        before: What the programme measured.
        after: What the master measures; of a file, decoded again.
        plan: What was done.
        max_reduction_db: Largest reduction by the limiter, ≥ 0.
        sample_rate_hz: Rate of the master.
        tries: How often it was encoded.
    """

    settings: MasteringSettings
    before: Loudness
    after: Loudness
    plan: MasteringPlan
    max_reduction_db: float
    sample_rate_hz: int
    tries: int = 1

    @property
    def achieved(self) -> bool:
        """Whether loudness (to 0.1 LU) and true peak are as asked for."""
        return is_on_target(self.after, self.settings.target)

    @property
    def reason(self) -> str:
        """Why it was done so; where it was not achieved, why."""
        if self.achieved or not self.plan.reached:
            return self.plan.reason
        after = self.after
        return (
            f"After {self.tries} tries the encoded file measures {after.integrated_lufs:.2f} LUFS "
            f"and {after.true_peak_db:.2f} dBTP: the codec changes this programme too much."
        )


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
    """
    measuring = part_of(report_progress, 0.0, 0.2, "measuring")
    before = measure_programme(samples, sample_rate_hz, settings, measuring)
    aim = Aim(settings.target.target_lufs, settings.target.true_peak_db)
    searching = part_of(report_progress, 0.2, 0.7, "finding the gain")
    plan = plan_master(samples, sample_rate_hz, settings, before, aim, searching)

    channels = samples.shape[1]
    weights = channel_weights(channels, settings.channel_layout, dual_mono=settings.dual_mono)
    meter = LoudnessMeter(sample_rate_hz, weights)
    result = np.empty(samples.shape, np.float32) if out is None else out
    limiter = plan.limiter(sample_rate_hz, channels)
    position = 0
    rendering = part_of(report_progress, 0.7, 1.0, "rendering")
    for block in render(samples, plan.stages(channels, limiter), rendering):
        meter.update(block)
        result[position : position + len(block)] = block
        position += len(block)
    after = meter.result()
    if report_progress:
        report_progress(1.0, "done")
    max_reduction_db = limiter.max_reduction_db if limiter else 0.0
    return result, Mastering(settings, before, after, plan, max_reduction_db, sample_rate_hz)


def master_file(
    samples: Samples,
    sample_rate_hz: int,
    tags: dict[str, str],
    settings: MasteringSettings,
    encoding: AudioEncoding,
    path: Path,
    *,
    report_progress: ReportProgress | None = None,
) -> Mastering:
    """Master a programme into a file, and measure that file.

    A lossy codec moves peaks by a dB and more. Where the file is above the ceiling or off the
    target, it is made again, aiming as much the other way, at most 3 times in all.

    Args:
        samples: (frames, channels) float32, 1 to 8 channels, at least 0.4 s; may be a memory map.
        sample_rate_hz: At least 8000. Formats that cannot hold it get the next that they hold.
        tags: Title, artist and so on, for the file.
        settings: Target and mode.
        encoding: Format of the file.
        path: File to write.
        report_progress: Called with the share done, 0 to 1, and what is being done, before each
            block of about a second; may raise to cancel.

    Raises:
        UnusableMedia: See ``measure_programme``.
        InvalidParameter: The format cannot hold that many channels.
    """
    encoding.require_room_for(samples.shape[1])
    measuring = part_of(report_progress, 0.0, 0.15, "measuring")
    before = measure_programme(samples, sample_rate_hz, settings, measuring)
    rate = encoding.sample_rate_hz(sample_rate_hz)
    adapting = part_of(report_progress, 0.15, 0.2, "changing the sample rate")
    with at_rate(samples, sample_rate_hz, rate, adapting) as programme:
        if programme is not samples:
            again = part_of(report_progress, 0.2, 0.2, "measuring")
            heard = measure_programme(programme, rate, settings, again)
        else:
            heard = before
        job = _FileJob(programme, rate, heard, tags, settings, encoding, path)
        plan, after, max_reduction_db, tries = _file_on_target(job, report_progress)
    if report_progress:
        report_progress(1.0, "done")
    return Mastering(settings, before, after, plan, max_reduction_db, rate, tries)


@dataclass(frozen=True, eq=False)
class _FileJob:
    """What stays the same however often the file is made."""

    samples: Samples
    sample_rate_hz: int
    before: Loudness
    tags: dict[str, str]
    settings: MasteringSettings
    encoding: AudioEncoding
    path: Path


def _file_on_target(
    job: _FileJob, report_progress: ReportProgress | None
) -> tuple[MasteringPlan, Loudness, float, int]:
    """Make the file until it is on target, or making it again is of no use."""
    target = job.settings.target
    rounding = job.encoding.quantisation_step * interpolators(job.sample_rate_hz).gain_bound
    aim = Aim(target.target_lufs, decibels(amplitude(target.true_peak_db) - rounding))
    tries = 0
    while True:
        start, stop = (1 - 0.8 * 0.3**n for n in (tries, tries + 1))
        third = (stop - start) / 3
        searching = part_of(report_progress, start, start + third, "finding the gain")
        plan = plan_master(
            job.samples, job.sample_rate_hz, job.settings, job.before, aim, searching
        )
        writing = part_of(report_progress, start + third, stop - third, "encoding")
        max_reduction_db = _write(job, plan, writing)
        after = measure_file(
            job.path,
            channel_layout=job.settings.channel_layout,
            dual_mono=job.settings.dual_mono,
            report_progress=part_of(report_progress, stop - third, stop, "measuring the file"),
        )
        tries += 1
        better = _corrected(aim, after, job.settings.target, plan)
        if better == aim or tries == MOST_TRIES:
            return plan, after, max_reduction_db, tries
        aim = better


def _corrected(aim: Aim, after: Loudness, target: MasteringTarget, plan: MasteringPlan) -> Aim:
    """Move the aim by what the codec did; it stays where the file is as good as it gets."""
    loudness_lufs, ceiling_db = aim.loudness_lufs, aim.ceiling_db
    off_lu = target.target_lufs - after.integrated_lufs
    if plan.reached and abs(off_lu) > TOLERANCE_LU:
        loudness_lufs += off_lu
    over_db = after.true_peak_db - target.true_peak_db
    if over_db > 0:
        ceiling_db -= _BACK_OFF * over_db + _BACK_OFF_DB
    return Aim(loudness_lufs, ceiling_db)


def _write(job: _FileJob, plan: MasteringPlan, report_share: ReportShare | None) -> float:
    """Render into the file; give the limiter's largest reduction in dB."""
    channels = job.samples.shape[1]
    limiter = plan.limiter(job.sample_rate_hz, channels)
    with AudioEncoder(
        job.path,
        job.encoding,
        job.sample_rate_hz,
        channels,
        channel_layout=job.settings.channel_layout,
        tags=job.tags,
        frames=len(job.samples),
    ) as encoder:
        for block in render(job.samples, plan.stages(channels, limiter), report_share):
            encoder.write(block)
    return limiter.max_reduction_db if limiter else 0.0
