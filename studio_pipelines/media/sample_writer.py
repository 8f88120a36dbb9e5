"""Write samples as they are decoded, within the limits. Runs in the helper process."""

import itertools
import os
from typing import Any

import numpy as np

from studio_pipelines.errors import MediaTooLarge, UnusableMedia
from studio_pipelines.media.audio import Samples
from studio_pipelines.media.decoding import check_decoded_size, write_array
from studio_pipelines.media.limits import MediaLimits

_MAX_TAG_CHARACTERS, _MAX_TAG_NAME_CHARACTERS, _MAX_TAGS = 1000, 100, 100


def check_sound_format(
    *, channels: int, sample_rate_hz: int, frames: int | None, limits: MediaLimits
) -> None:
    """Check a sound's header.

    Args:
        channels: Number of channels.
        sample_rate_hz: Sampling frequency.
        frames: Samples of one channel as far as the header tells, else None.
        limits: The bounds.

    Raises:
        UnusableMedia: The header makes no sense.
        MediaTooLarge: A limit is exceeded.
    """
    if channels < 1 or sample_rate_hz < 1:
        raise UnusableMedia("The sound's header is damaged.", hint="Export the sound again.")
    if channels > limits.max_channels:
        raise MediaTooLarge(
            f"The sound has {channels} channels; at most {limits.max_channels} are allowed.",
            hint="Mix it down.",
        )
    if sample_rate_hz > limits.max_sample_rate_hz:
        raise MediaTooLarge(
            f"The sound is sampled at {sample_rate_hz} Hz; "
            f"at most {limits.max_sample_rate_hz} Hz are allowed.",
            hint="Resample it.",
        )
    if frames is not None:
        _check_length(frames, channels, sample_rate_hz, limits)


def _check_length(frames: int, channels: int, sample_rate_hz: int, limits: MediaLimits) -> None:
    if frames > limits.max_duration_s * sample_rate_hz:
        raise MediaTooLarge(
            f"The sound is longer than {limits.max_duration_s:g} s.", hint="Send a part of it."
        )
    check_decoded_size(frames * channels * 4, limits.max_decoded_bytes)


class SampleWriter:
    """Appends blocks of samples to a file, counting and checking them.

    Attributes:
        frames: Samples of one channel written so far.
        channels: Number of channels.
        sample_rate_hz: Sampling frequency.
    """

    def __init__(self, fd: int, channels: int, sample_rate_hz: int, limits: MediaLimits) -> None:
        self.frames = 0
        self._fd = fd
        self.channels = channels
        self.sample_rate_hz = sample_rate_hz
        self._limits = limits
        self._has_non_finite = False

    def write(self, block: Samples) -> None:
        """Append samples of shape (frames, channels).

        Raises:
            MediaTooLarge: The sound has become too long.
        """
        self.frames += block.shape[0]
        _check_length(self.frames, self.channels, self.sample_rate_hz, self._limits)
        self._has_non_finite |= not np.isfinite(block).all()
        write_array(self._fd, np.ascontiguousarray(block))

    def trim(self, frames: int) -> None:
        """Cut off what lies beyond a number of frames."""
        if 0 < frames < self.frames:
            os.ftruncate(self._fd, frames * self.channels * 4)
            self.frames = frames

    def details(
        self, *, channel_layout: str, codec: str, tags: dict[str, str], notes: list[str]
    ) -> dict[str, Any]:
        """Lay out what goes with the samples as a message.

        Raises:
            UnusableMedia: Nothing was written.
        """
        if self.frames == 0:
            raise UnusableMedia("The file holds no sound: it is 0 s long.")
        warnings = ["The sound holds NaN or infinite samples."] if self._has_non_finite else []
        return {
            "shape": (self.frames, self.channels),
            "dtype": "float32",
            "sample_rate_hz": self.sample_rate_hz,
            "channel_layout": channel_layout,
            "codec": codec,
            "tags": _bounded(tags),
            "has_non_finite": self._has_non_finite,
            "notes": notes + warnings,
        }


def _bounded(tags: dict[str, str]) -> dict[str, str]:
    """Keep the first tags, and the beginnings of long ones: a file may hold any number of them."""
    return {
        key.lower()[:_MAX_TAG_NAME_CHARACTERS]: value[:_MAX_TAG_CHARACTERS]
        for key, value in itertools.islice(tags.items(), _MAX_TAGS)
    }
