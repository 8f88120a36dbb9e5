"""A chain of stages that a programme runs through, block by block."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import soxr  # pyright: ignore[reportMissingTypeStubs]

from studio_pipelines.media.audio_blocks import ReportShare, Samples, blocks_of
from studio_pipelines.media.loudness import amplitude

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


class Resampler:
    """Another sample rate, through libsoxr at its highest quality."""

    def __init__(self, sample_rate_hz: int, wanted_hz: int, channels: int) -> None:
        self._stream = soxr.ResampleStream(sample_rate_hz, wanted_hz, channels, "float32", "VHQ")
        self._channels = channels

    def process(self, samples: Samples, /) -> Samples:
        """Take the next block and give what is ready of it at the other rate."""
        return self._stream.resample_chunk(np.ascontiguousarray(samples))

    def finish(self) -> Samples:
        """Give the frames that are left."""
        return self._stream.resample_chunk(np.empty((0, self._channels), np.float32), last=True)


def render(
    samples: Samples, stages: Sequence[Stage], report_share: ReportShare | None = None
) -> Iterator[Samples]:
    """Run a programme through stages, block by block; see ``blocks_of`` for the arguments."""
    for block in blocks_of(samples, report_share):
        for stage in stages:
            block = stage.process(block)  # noqa: PLW2901
        yield block
    for n, stage in enumerate(stages):
        block = stage.finish()
        for later in stages[n + 1 :]:
            block = later.process(block)
        yield block


def part_of(
    report_progress: ReportProgress | None, start: float, stop: float, doing: str
) -> ReportShare | None:
    """Map the share of one step to its part of the whole."""
    if report_progress is None:
        return None
    return lambda share: report_progress(start + (stop - start) * share, doing)


def share_between(
    report_share: ReportShare | None, start: float, stop: float
) -> ReportShare | None:
    """Map the share of one part of a step to that of the step."""
    if report_share is None:
        return None
    return lambda share: report_share(start + (stop - start) * share)


def within(
    report_progress: ReportProgress | None, start: float, stop: float
) -> ReportProgress | None:
    """Map the progress of several steps to their part of the whole."""
    if report_progress is None:
        return None
    return lambda share, doing: report_progress(start + (stop - start) * share, doing)
