"""Measure stems' files as a listener's decoder gives them back."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio_pipelines.media.audio import Samples
from studio_pipelines.media.audio_blocks import BLOCK_FRAMES
from studio_pipelines.media.audio_chain import ReportShare
from studio_pipelines.media.encoded_loudness import decoded_blocks
from studio_pipelines.media.feed import Feed
from studio_pipelines.media.k_weighting import channel_weights
from studio_pipelines.media.loudness import (
    EnergyMeter,
    decibels,
)
from studio_pipelines.media.loudness_gating import integrated_lufs
from studio_pipelines.media.sample_store import Sound
from studio_pipelines.media.stem_residual import ResidualMeter


@dataclass(frozen=True)
class StemLevel:
    """What one file measures.

    Attributes:
        integrated_lufs: Its loudness, -inf where it is silent.
        sample_peak_db: Its largest sample, dBFS; -inf where it is silent.
        frames: Its length.
    """

    integrated_lufs: float
    sample_peak_db: float
    frames: int


@dataclass(frozen=True)
class StemsCheck:
    """What the files measure.

    Attributes:
        levels: By the stems' names.
        residual_db: Sum of the files less the sound at their gain; None where not all stems of the
            sound became files.
    """

    levels: dict[str, StemLevel]
    residual_db: float | None


class _File:
    """One file, decoded on and on, and measured on the way."""

    def __init__(self, path: Path) -> None:
        rate_hz, channels, _, blocks = decoded_blocks(path)
        self._feed = Feed(blocks)
        self._meter = EnergyMeter(rate_hz, channel_weights(channels))
        self._frames = 0
        self._peak = 0.0

    def take(self, frames: int) -> Samples | None:
        """Give the next frames; fewer where the file ends, and None after that."""
        taken = self._feed.take(frames)
        if taken is not None:
            self._meter.update(taken)
            self._frames += len(taken)
            self._peak = max(self._peak, float(np.abs(taken).max()))
        return taken

    def level(self) -> StemLevel:
        return StemLevel(
            integrated_lufs(self._meter.step_energies), decibels(self._peak), self._frames
        )


def check_stems(
    files: dict[str, Path],
    frames: int,
    whole: tuple[Sound, float] | None,
    report_share: ReportShare | None = None,
) -> StemsCheck:
    """Decode and measure files of our own making.

    Args:
        files: Stems of one sound, all of the same rate and channels.
        frames: How long they are to be.
        whole: The sound that they sum up to and the gain that they were written with, or None.
        report_share: Called with the share done before each block; may raise to cancel.
    """
    opened = {name: _File(path) for name, path in files.items()}
    residual = ResidualMeter()
    for start in itertools.count(step=BLOCK_FRAMES):
        taken = [file.take(BLOCK_FRAMES) for file in opened.values()]
        blocks = [block for block in taken if block is not None]
        if not blocks:
            break
        if whole is not None:
            _compare(residual, blocks, *whole, start)
        if report_share:
            report_share(min(1.0, start / frames))
    levels = {name: file.level() for name, file in opened.items()}
    return StemsCheck(levels, residual.residual_db if whole else None)


def _compare(
    residual: ResidualMeter, blocks: list[Samples], sound: Sound, gain: float, start: int
) -> None:
    """Compare the sum of blocks with the sound there; what a codec has added at its end is left."""
    stop = min(start + BLOCK_FRAMES, sound.frames)
    reference = sound.read(min(start, stop), stop) * np.float32(gain)
    total = np.zeros_like(reference)
    for block in blocks:
        common = min(len(block), len(total))
        total[:common] += block[:common]
    residual.update(reference, total)
