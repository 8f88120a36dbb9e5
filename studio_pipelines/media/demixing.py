"""Separate a sound into files, one a stem, and measure what came of it.

The stems pass through scratch files: their highest peak decides the gain, and no stem is ever whole
in memory.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from studio_pipelines.media.audio import AudioClip, Samples
from studio_pipelines.media.audio_blocks import BLOCK_FRAMES
from studio_pipelines.media.audio_chain import ReportProgress, ReportShare, Resampler, part_of
from studio_pipelines.media.audio_encode import AudioEncoder, AudioEncoding
from studio_pipelines.media.sample_store import SampleStore, Sound
from studio_pipelines.media.separation import Separation, StemPlan, Stems
from studio_pipelines.media.separation_input import as_stereo_at, programme_of
from studio_pipelines.media.stem_check import StemsCheck, check_stems
from studio_pipelines.media.stem_plots import stem_picture
from studio_pipelines.media.stem_residual import ResidualMeter

ClipMode = Literal["rescale", "clamp", "none"]


@dataclass(frozen=True)
class DemixSettings:
    """How the stems are stored.

    Attributes:
        encoding: Format of the files.
        clip_mode: What is done about stems beyond full scale where the format ends there:
            ``rescale`` lowers all by the same gain, ``clamp`` and ``none`` cut them off; in a float
            format ``clamp`` cuts and the others leave them as they are.
        sample_rate_hz: Rate of the files, or None for the source's own.
    """

    encoding: AudioEncoding
    clip_mode: ClipMode = "rescale"
    sample_rate_hz: int | None = None


@dataclass(frozen=True)
class Demix:
    """What was made, and what it measures.

    Attributes:
        files: The stems' files by name, in the order of the plan.
        pictures: Waveform and spectrogram of each, PNG.
        sample_rate_hz: Rate of the files.
        channels: Their channels.
        frames: Their length.
        gain: Factor that all stems were multiplied by.
        clipped_samples: Samples cut off at full scale, over all files.
        residual_db: Sum of all stems less the sound, before the gain and the encoding, relative to
            the sound; -inf where it is nothing.
        check: What the files measure.
        infer_s: Time spent separating.
    """

    files: dict[str, Path]
    pictures: dict[str, bytes]
    sample_rate_hz: int
    channels: int
    frames: int
    gain: float
    clipped_samples: int
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
        gain = _gain(stores, settings)
        files: dict[str, Path] = {}
        pictures: dict[str, bytes] = {}
        clipped = 0
        for n, (name, store) in enumerate(stores.items()):
            share = [0.75 + 0.15 * k / len(stores) for k in (n, n + 1)]
            writing = part_of(report_progress, share[0], share[1], "encoding")
            files[name] = folder / f"{name}.{settings.encoding.extension}"
            clipped += _write(files[name], store, settings, rate_hz, gain, clip.tags, writing)
            pictures[name] = stem_picture(store, rate_hz, name)
        whole = (programme, gain) if plan.is_whole else None
        checking = part_of(report_progress, 0.9, 1.0, "measuring the files")
        check = check_stems(files, programme.frames, whole, checking)
        return Demix(
            files=files,
            pictures=pictures,
            sample_rate_hz=rate_hz,
            channels=programme.channels,
            frames=programme.frames,
            gain=gain,
            clipped_samples=clipped,
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


def _gain(stores: dict[str, SampleStore], settings: DemixSettings) -> float:
    """Give one factor for all stems: their sum stays the sound."""
    if settings.clip_mode != "rescale" or settings.encoding.bit_depth == 32:
        return 1.0
    highest = 1 - 2 * settings.encoding.quantisation_step
    peak = max(store.peak for store in stores.values())
    return min(1.0, highest / peak) if peak > 0 else 1.0


def _write(
    path: Path,
    store: SampleStore,
    settings: DemixSettings,
    rate_hz: int,
    gain: float,
    tags: dict[str, str],
    report_share: ReportShare | None,
) -> int:
    """Encode one stem; give how many samples were cut off at full scale."""
    cuts = settings.clip_mode == "clamp" or settings.encoding.bit_depth != 32
    clipped = 0
    with AudioEncoder(
        path, settings.encoding, rate_hz, store.channels, tags=tags, frames=store.frames
    ) as encoder:
        for start in range(0, store.frames, BLOCK_FRAMES):
            if report_share:
                report_share(start / store.frames)
            block = store.read(start, min(start + BLOCK_FRAMES, store.frames))
            if gain != 1.0:
                block *= np.float32(gain)
            if cuts:
                clipped += _clamp(block)
            encoder.write(block)
    return clipped


def _clamp(block: Samples) -> int:
    beyond = int(np.count_nonzero(np.abs(block) > 1))
    if beyond:
        np.clip(block, -1, 1, out=block)
    return beyond
