"""Separate a sound into files, one a stem, and measure what came of it.

The stems pass through scratch files: their highest peak decides the gain, and no stem is ever whole
in memory.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio_pipelines.media.audio import AudioClip
from studio_pipelines.media.audio_chain import ReportProgress, ReportShare, Resampler, part_of
from studio_pipelines.media.sample_store import SampleStore, Sound
from studio_pipelines.media.separation import Separation, StemOffer, StemPlan, Stems
from studio_pipelines.media.separation_input import as_stereo_at, programme_of
from studio_pipelines.media.stem_check import StemsCheck, check_stems
from studio_pipelines.media.stem_files import DemixSettings, WrittenStems, write_stems
from studio_pipelines.media.stem_residual import ResidualMeter


@dataclass(frozen=True)
class Demix:
    """What was made, and what it measures.

    Attributes:
        offer: What the model could have made.
        plan: What was asked of it.
        model_rate_hz: Rate that it works at.
        sample_rate_hz: Rate of the files.
        channels: Their channels.
        frames: Their length.
        written: The files.
        residual_db: Sum of all stems less the sound, before the gain and the encoding, relative to
            the sound; -inf where it is nothing.
        check: What the files measure.
        infer_s: Time spent separating.
    """

    offer: StemOffer
    plan: StemPlan
    model_rate_hz: int
    sample_rate_hz: int
    channels: int
    frames: int
    written: WrittenStems
    residual_db: float
    check: StemsCheck
    infer_s: float


def demix_file(
    clip: AudioClip,
    separation: Separation,
    plan: StemPlan,
    settings: DemixSettings,
    folder: Path,
    *,
    report_progress: ReportProgress | None = None,
) -> Demix:
    """Separate a clip into files.

    Args:
        clip: 1 to 8 channels from 8 kHz; more than two are mixed to stereo.
        separation: The model.
        plan: Stems to make.
        settings: How to store them.
        folder: Where the files go, and scratch files meanwhile.
        report_progress: Called with the share done, 0 to 1, and what is being done; may raise to
            cancel.

    Raises:
        UnusableMedia: See ``programme_of``.
        InvalidParameter: The format cannot hold that.
    """
    rate_hz = settings.encoding.sample_rate_hz(settings.sample_rate_hz or clip.sample_rate_hz)
    preparing = part_of(report_progress, 0.0, 0.05, "preparing")
    with ExitStack() as scratch:
        programme = scratch.enter_context(programme_of(clip, rate_hz, folder, preparing))
        stores = {
            name: scratch.enter_context(SampleStore(folder / f"{name}.raw", programme.channels))
            for name in plan.kept
        }
        separating = part_of(report_progress, 0.05, 0.75, "separating")
        job = _Job(separation, plan, programme, rate_hz, folder)
        residual_db, infer_s = _separate(job, stores, separating)
        encoding = part_of(report_progress, 0.75, 0.9, "encoding")
        written = write_stems(stores, rate_hz, clip.tags, settings, folder, encoding)
        checking = part_of(report_progress, 0.9, 1.0, "measuring the files")
        whole = (programme, written.gain) if plan.is_whole else None
        check = check_stems(written.files, programme.frames, whole, checking)
        return Demix(
            offer=separation.offer,
            plan=plan,
            model_rate_hz=separation.sample_rate_hz,
            sample_rate_hz=rate_hz,
            channels=programme.channels,
            frames=programme.frames,
            written=written,
            residual_db=residual_db,
            check=check,
            infer_s=infer_s,
        )


@dataclass(frozen=True, eq=False)
class _Job:
    separation: Separation
    plan: StemPlan
    programme: Sound
    rate_hz: int
    folder: Path


def _separate(
    job: _Job, stores: dict[str, SampleStore], report_share: ReportShare | None
) -> tuple[float, float]:
    """Fill the stores; give the residual in dB, and the seconds spent separating."""
    residual = ResidualMeter()
    remainder = job.plan.family.remainder
    position = 0
    stopwatch = _Stopwatch()
    with _at_output(job, stopwatch, report_share) as blocks:
        for stems in blocks:
            length = min(len(next(iter(stems.values()))), job.programme.frames - position)
            made = {name: block[:length] for name, block in stems.items()}
            reference = job.programme.read(position, position + length)
            total = sum(made.values(), np.zeros_like(reference))
            if remainder is not None:
                made[remainder] = reference - total
                total = total + made[remainder]
            residual.update(reference, total)
            for name, store in stores.items():
                store.append(made[name])
            position += length
    return residual.residual_db, stopwatch.total_s


class _Stopwatch:
    """Adds up the time that an iterator takes for its elements."""

    total_s = 0.0

    def timed(self, stems: Iterator[Stems]) -> Iterator[Stems]:
        while True:
            started_s = time.perf_counter()
            block = next(stems, None)
            self.total_s += time.perf_counter() - started_s
            if block is None:
                return
            yield block


@contextmanager
def _at_output(
    job: _Job, stopwatch: _Stopwatch, report_share: ReportShare | None
) -> Generator[Iterator[Stems]]:
    """Give the separated stems with the programme's rate and channels, at least as long as it."""
    model_hz = job.separation.sample_rate_hz
    with as_stereo_at(job.programme, job.rate_hz, model_hz, job.folder) as heard:
        names = job.plan.family.separated
        stems = stopwatch.timed(job.separation.separate(heard, names, report_share))
        blocks = (_with_channels(block, job.programme.channels) for block in stems)
        if model_hz != job.rate_hz:
            blocks = _resampled(blocks, names, job)
        yield blocks


def _with_channels(stems: Stems, channels: int) -> Stems:
    if channels == 2:
        return stems
    return {name: block.mean(axis=1, keepdims=True) for name, block in stems.items()}


def _resampled(blocks: Iterator[Stems], names: tuple[str, ...], job: _Job) -> Iterator[Stems]:
    rates = job.separation.sample_rate_hz, job.rate_hz
    chains = {name: Resampler(*rates, job.programme.channels) for name in names}
    made = 0
    for block in blocks:
        ready = {name: chains[name].process(samples) for name, samples in block.items()}
        made += len(ready[names[0]])
        yield ready
    ready = {name: chain.finish() for name, chain in chains.items()}
    # Two changes of the rate may round the length down.
    missing = max(0, job.programme.frames - made - len(ready[names[0]]))
    yield {name: np.pad(samples, ((0, missing), (0, 0))) for name, samples in ready.items()}
