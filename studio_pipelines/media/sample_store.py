"""Long sounds in scratch files: written once, read by position.

The files are read, not mapped: a mapping's pages would count as the process's memory, which is to
stay the same however long a sound is.
"""

from pathlib import Path
from typing import Protocol, Self

import numpy as np

from studio_pipelines.media.audio import Samples

_BYTES = 4


class Sound(Protocol):
    """Something that gives its samples by position."""

    @property
    def frames(self) -> int:
        """Samples of one channel."""
        ...

    @property
    def channels(self) -> int:
        """Number of channels."""
        ...

    def read(self, start: int, stop: int) -> Samples:
        """Give (stop - start, channels) float32; 0 <= start <= stop <= frames."""
        ...


class SoundInMemory:
    """Samples of an array, which may be a memory map."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    @property
    def frames(self) -> int:
        """Samples of one channel."""
        return self._samples.shape[0]

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._samples.shape[1]

    def read(self, start: int, stop: int) -> Samples:
        """Give a view of the frames."""
        return self._samples[start:stop]


class SampleStore:
    """A scratch file of float32 samples; a context manager that deletes it.

    Attributes:
        channels: Number of channels.
        frames: Samples of one channel written so far.
        peak: Largest absolute sample so far.
    """

    def __init__(self, path: Path, channels: int) -> None:
        self.channels = channels
        self.frames = 0
        self.peak = 0.0
        self._path = path
        self._file = path.open("w+b")

    def append(self, block: Samples) -> None:
        """Write (frames, channels) behind what is there."""
        self._file.seek(self.frames * self.channels * _BYTES)
        self._file.write(np.ascontiguousarray(block, np.float32).data)
        self.frames += len(block)
        if len(block):
            self.peak = max(self.peak, float(block.max()), -float(block.min()))

    def read(self, start: int, stop: int) -> Samples:
        """Give (stop - start, channels) float32; 0 <= start <= stop <= frames."""
        samples = np.empty((stop - start, self.channels), np.float32)
        self._file.seek(start * self.channels * _BYTES)
        self._file.readinto(samples.data)
        return samples

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self._file.close()
        self._path.unlink()


def read_padded(sound: Sound, start: int, stop: int) -> Samples:
    """Give the frames from ``start`` to ``stop``, zeros where they lie outside of the sound."""
    samples = np.zeros((stop - start, sound.channels), np.float32)
    first, last = max(start, 0), min(stop, sound.frames)
    if first < last:
        samples[first - start : last - start] = sound.read(first, last)
    return samples
