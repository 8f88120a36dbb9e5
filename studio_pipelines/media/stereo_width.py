"""How wide a stereo programme is, and how to make it wider or narrower."""

import math
from dataclasses import dataclass

import numpy as np

from studio_pipelines.media.audio_blocks import Samples


@dataclass
class StereoImage:
    """Energies of what both channels of a stream share and of what they don't.

    Attributes:
        mid_energy: Sum of squares of (left + right) / 2.
        side_energy: Sum of squares of (left - right) / 2.
    """

    mid_energy: float = 0.0
    side_energy: float = 0.0

    def update(self, samples: Samples) -> None:
        """Take the next block, (frames, 2) float32; of other channels nothing is counted."""
        if samples.shape[1] != 2:
            return
        left, right = samples[:, 0], samples[:, 1]
        together, product = np.vdot(left, left) + np.vdot(right, right), 2 * np.vdot(left, right)
        self.mid_energy += float(together + product) / 4
        self.side_energy += max(0.0, float(together - product) / 4)

    @property
    def side_to_mid_db(self) -> float:
        """Level of the side beside the mid; -inf for a mono programme."""
        if self.side_energy <= 0:
            return -math.inf
        return 10 * math.log10(self.side_energy / self.mid_energy) if self.mid_energy else math.inf


class Width:
    """Scales the side of a stereo stream and leaves the mid: a mono sum does not change."""

    def __init__(self, width: float) -> None:
        self._half = np.float32((1 - width) / 2)

    def process(self, samples: Samples, /) -> Samples:
        """Take the next block, (frames, 2) float32."""
        result = samples[:, ::-1] - samples
        result *= self._half
        result += samples
        return result

    def finish(self) -> Samples:
        """Give nothing, for nothing is held back."""
        return np.empty((0, 2), np.float32)
