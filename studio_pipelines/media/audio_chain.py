"""A chain of stages that a programme runs through, block by block."""

import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import soxr  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from studio_pipelines.media.loudness import BLOCK_FRAMES, amplitude

Samples = NDArray[np.float32]
ReportShare = Callable[[float], None]
ReportProgress = Callable[[float, str], None]


class Stage(Protocol):
    """One step of the chain: takes blocks, gives the frames that are ready."""

    def process(self, samples: Samples, /) -> Samples:
        """Take the next block, (frames, channels) float32."""
        ...

    def finish(self) -> Samples:
        """End the stream and give the frames that are left."""
        ...


class Gain:
    """A constant gain."""

    def __init__(self, gain_db: float, channels: int) -> None:
        self._factor = np.float32(amplitude(gain_db))
        self._channels = channels

    def process(self, samples: Samples, /) -> Samples:
        """Take the next block and give it amplified."""
        return samples * self._factor

    def finish(self) -> Samples:
        """Give nothing, for nothing is held back."""
        return np.empty((0, self._channels), np.float32)


def render(
    samples: Samples, stages: Sequence[Stage], report_share: ReportShare | None = None
) -> Iterator[Samples]:
    """Run a programme through stages, block by block; the result is as long as the programme."""
    for start in range(0, len(samples), BLOCK_FRAMES):
        if report_share:
            report_share(start / len(samples))
        block = np.asarray(samples[start : start + BLOCK_FRAMES])
        for stage in stages:
            block = stage.process(block)
        yield block
    for n, stage in enumerate(stages):
        block = stage.finish()
        for later in stages[n + 1 :]:
            block = later.process(block)
        yield block


@contextmanager
def at_rate(
    samples: Samples, sample_rate_hz: int, wanted_hz: int, report_share: ReportShare | None
) -> Generator[Samples]:
    """Give a programme at another rate, in a temporary file: it may be an hour long.

    Args:
        samples: (frames, channels) float32.
        sample_rate_hz: Its rate.
        wanted_hz: The rate wanted; where it is the same, the samples are given as they are.
        report_share: Called with the share done before each block; may raise to cancel.
    """
    if wanted_hz == sample_rate_hz:
        yield samples
        return
    channels = samples.shape[1]
    stream = soxr.ResampleStream(sample_rate_hz, wanted_hz, channels, "float32", "VHQ")
    with tempfile.TemporaryFile() as file:
        for start in range(0, len(samples), BLOCK_FRAMES):
            if report_share:
                report_share(start / len(samples))
            stop = start + BLOCK_FRAMES
            block = np.ascontiguousarray(samples[start:stop])
            file.write(stream.resample_chunk(block, last=stop >= len(samples)).tobytes())
        file.flush()
        yield np.memmap(file, np.float32, "r").reshape(-1, channels)


def part_of(
    report_progress: ReportProgress | None, start: float, stop: float, doing: str
) -> ReportShare | None:
    """Map the share of one step to its part of the whole."""
    if report_progress is None:
        return None
    return lambda share: report_progress(start + (stop - start) * share, doing)
