"""Surround sound mixed to stereo after ITU-R BS.775-4, Annex 4."""

import math

import numpy as np
from av import AudioLayout
from numpy.typing import NDArray

from studio_pipelines.media.audio import Samples
from studio_pipelines.media.k_weighting import usable_layout

_MINUS_3_DB = math.sqrt(0.5)
# What left and right get of each channel. The recommendation leaves the low-frequency channel out;
# channels behind and at the side count alike, one in the middle goes to both.
_SHARES = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_MINUS_3_DB, _MINUS_3_DB),
    "LFE": (0.0, 0.0),
    "LFE2": (0.0, 0.0),
    "BL": (_MINUS_3_DB, 0.0),
    "BR": (0.0, _MINUS_3_DB),
    "SL": (_MINUS_3_DB, 0.0),
    "SR": (0.0, _MINUS_3_DB),
    "BC": (0.5, 0.5),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
}
_ELSEWHERE = (0.5, 0.5)


def downmix_matrix(channels: int, channel_layout: str = "") -> NDArray[np.float32]:
    """Give the shares of each channel in left and right.

    Args:
        channels: 1 to 8.
        channel_layout: FFmpeg's name of it; the usual one of ``channels`` where it does not fit.

    Returns:
        (channels, 2) float32.

    Raises:
        UnusableMedia: There are more than 8 channels.
    """
    layout = AudioLayout(usable_layout(channels, channel_layout))
    return np.array([_SHARES.get(one.name, _ELSEWHERE) for one in layout.channels], np.float32)


class Downmix:
    """A stage of a chain that mixes to stereo."""

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        self._matrix = matrix

    def process(self, samples: Samples, /) -> Samples:
        """Take the next block, (frames, channels), and give (frames, 2)."""
        return samples @ self._matrix

    def finish(self) -> Samples:
        """Give nothing, for nothing is held back."""
        return np.empty((0, 2), np.float32)
