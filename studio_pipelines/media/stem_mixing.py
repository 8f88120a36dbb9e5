"""Add the stems of a song up again, each with its own gain, block by block."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.audio_encode import AudioEncoder, AudioEncoding
from studio_pipelines.media.encoded_loudness import decoded_blocks

Block = NDArray[np.float32]
# Nothing is rounded to integers and nothing clips: what the mix goes into decides on that.
MIX_ENCODING = AudioEncoding("wav", 32)


@dataclass(frozen=True)
class StemMix:
    """What was mixed.

    Attributes:
        frames: Samples of one channel.
        sample_rate_hz: Sampling frequency.
        sample_peak: Highest absolute sample, linear; it may be above 1.
    """

    frames: int
    sample_rate_hz: int
    sample_peak: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate_hz

    @property
    def sample_peak_db(self) -> float | None:
        """The peak in dBFS, or None of silence."""
        return round(20 * math.log10(self.sample_peak), 3) if self.sample_peak > 0 else None


def mix_stems(
    stems: Mapping[str, Path],
    gains_db: Mapping[str, float],
    target: Path,
    *,
    report_progress: Callable[[float], None] = lambda _share: None,
) -> StemMix:
    """Write the sum of the stems as a 32-bit float WAV file.

    Samples are added in 64 bits and rounded once, so that stems which add up to a song do so here
    too. Stems that lossy encoders have padded are as long as the longest one.

    Args:
        stems: Files of our own making by name, of one rate and one number of channels.
        gains_db: Gain of each stem by name, in dB; 0 where it is not named, -inf mutes it.
        target: The file to write.
        report_progress: Called with the share done, 0 to 1, before each block; may raise to cancel.

    Raises:
        UnusableMedia: The stems differ in rate or channels.
    """
    opened = {name: decoded_blocks(path) for name, path in stems.items()}
    rate_hz, channels = _one_format(opened)
    factors = [10 ** (gains_db.get(name, 0.0) / 20) for name in opened]
    expected = max(frames for _, _, frames, _ in opened.values())
    frames, peak = 0, 0.0
    with AudioEncoder(target, MIX_ENCODING, rate_hz, channels, frames=expected) as encoder:
        for blocks in side_by_side([blocks for *_, blocks in opened.values()], channels):
            report_progress(min(1.0, frames / max(1, expected)))
            total = np.zeros(blocks[0].shape, np.float64)
            for factor, block in zip(factors, blocks, strict=True):
                total += factor * block.astype(np.float64)
            mixed = total.astype(np.float32)
            encoder.write(mixed)
            frames += len(mixed)
            peak = max(peak, float(np.abs(mixed).max(initial=0.0)))
    return StemMix(frames, rate_hz, peak)


def _one_format(opened: Mapping[str, tuple[int, int, int, Iterator[Block]]]) -> tuple[int, int]:
    formats = {name: (rate_hz, channels) for name, (rate_hz, channels, *_) in opened.items()}
    if len(set(formats.values())) > 1:
        told = ", ".join(f"{name} {rate} Hz x {count}" for name, (rate, count) in formats.items())
        raise UnusableMedia(f"The stems differ in sample rate or channels: {told}.")
    return next(iter(formats.values()))


def side_by_side(streams: list[Iterator[Block]], channels: int) -> Iterator[list[Block]]:
    """Give blocks of equal length, one a stream, until the longest ends; zeros follow an end."""
    rests = [np.empty((0, channels), np.float32) for _ in streams]
    live = [True] * len(streams)
    while True:
        for place, stream in enumerate(streams):
            while live[place] and not len(rests[place]):
                block = next(stream, None)
                live[place] = block is not None
                rests[place] = rests[place] if block is None else block
        lengths = [len(rest) for rest in rests if len(rest)]
        if not lengths:
            return
        length = min(lengths)
        yield [
            rest[:length] if len(rest) else np.zeros((length, channels), np.float32)
            for rest in rests
        ]
        rests = [rest[length:] for rest in rests]
