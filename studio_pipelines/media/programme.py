"""A programme on its way to a master."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.audio_blocks import Samples
from studio_pipelines.media.loudness import Loudness


@dataclass(frozen=True, eq=False)
class Programme:
    """Samples with what is known of them.

    Attributes:
        samples: (frames, channels) float32; often a map of a file.
        sample_rate_hz: Their rate.
        weights: (channels,) float64, each channel's weight in loudness; see ``channel_weights``.
        loudness: What they measure.
    """

    samples: Samples
    sample_rate_hz: int
    weights: NDArray[np.float64]
    loudness: Loudness

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.weights)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz
