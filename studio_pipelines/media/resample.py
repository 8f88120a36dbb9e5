"""A change of the sample rate as a stage of a chain."""

import numpy as np
import soxr  # pyright: ignore[reportMissingTypeStubs]

from studio_pipelines.media.audio import Samples


class Resample:
    """Changes the rate of a stream (libsoxr, 28 bits); what comes out begins where it began.

    Args:
        from_hz: Rate of what comes in.
        to_hz: Rate of what goes out.
        channels: Number of channels.
    """

    def __init__(self, from_hz: int, to_hz: int, channels: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, channels, "float32", "VHQ")
        self._channels = channels

    def process(self, samples: Samples, /) -> Samples:
        """Take the next block, (frames, channels) float32, and give what is ready."""
        return self._stream.resample_chunk(np.ascontiguousarray(samples))

    def finish(self) -> Samples:
        """End the stream and give the frames that are left."""
        nothing = np.empty((0, self._channels), np.float32)
        return self._stream.resample_chunk(nothing, last=True)
