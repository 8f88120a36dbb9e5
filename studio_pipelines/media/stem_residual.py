"""How far the sum of stems is from the sound that they were made of."""

import math

import numpy as np

from studio_pipelines.media.audio import Samples


class ResidualMeter:
    """Compares two sounds, block by block."""

    def __init__(self) -> None:
        self._signal = 0.0
        self._residual = 0.0

    def update(self, reference: Samples, total: Samples) -> None:
        """Take the next block of both, (frames, channels) float32."""
        difference = total.astype(np.float64) - reference
        self._residual += float(np.vdot(difference, difference))
        wide = reference.astype(np.float64)
        self._signal += float(np.vdot(wide, wide))

    @property
    def residual_db(self) -> float:
        """Energy of the difference over that of the reference; -inf where there is none."""
        if self._residual == 0.0:
            return -math.inf
        if self._signal == 0.0:
            return math.inf
        return 10 * math.log10(self._residual / self._signal)
