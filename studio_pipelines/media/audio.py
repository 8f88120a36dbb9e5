"""A decoded sound."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
"""C-contiguous samples of shape (frames, channels), full scale at plus and minus 1."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioClip:
    """Samples at their own rate, and what the file says about them.

    Attributes:
        samples: float32 of shape (frames, channels). Integer PCM of up to 24 bits is exact
            (code / 2^(bits - 1)); values beyond plus and minus 1 in float files are kept.
        sample_rate_hz: Sampling frequency.
        channel_layout: ``mono``, ``stereo``, ``5.1`` …, or ``N channels`` where none is named.
        source_format: Media type of the file.
        codec: Name of the coding, for example ``pcm_24`` or ``mp3``.
        tags: Title, artist and the like, keys in lower case.
        has_non_finite: True where a float file holds NaN or infinity; such samples are passed on.
        notes: Plain sentences about what decoding had to change or leave out.
    """

    samples: Samples
    sample_rate_hz: int
    channel_layout: str
    source_format: str = ""
    codec: str = ""
    tags: dict[str, str] = field(default_factory=dict[str, str])
    has_non_finite: bool = False
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Samples of one channel."""
        return self.samples.shape[0]

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.samples.shape[1]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate_hz
