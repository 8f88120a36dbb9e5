"""How much a file may ask for before it is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Upper bounds on media, checked against a file's header before its body is decoded.

    The defaults let through what cameras and studios make (a 150-megapixel medium-format frame, a
    three-hour concert) and keep out decompression bombs.

    Attributes:
        max_pixels: Width times height of a picture.
        max_side_px: Longer side of a picture; JPEG itself stops at 65 535.
        max_picture_bytes: Bytes of a picture's file; some formats are held in memory as a whole.
        max_frames: Frames of a video or pages of a file that an operation may walk through.
        max_duration_s: Length of a sound or video in seconds.
        max_channels: Channels of a sound.
        max_sample_rate_hz: Sampling frequency of a sound.
        max_decoded_bytes: Bytes of the decoded pixels or samples of one file.
        max_lut_bytes: Bytes of a LUT file, which is text.
        decode_timeout_s: Wall-clock time for decoding one file.
        helper_memory_bytes: Address space of the process that decodes.
        in_memory_bytes: Up to this size decoded data lie in anonymous shared memory; larger ones
            lie in an unlinked scratch file, which the kernel can page out.
    """

    max_pixels: int = 200_000_000
    max_side_px: int = 65_500
    max_picture_bytes: int = 2048 * MIB
    max_frames: int = 432_000
    max_duration_s: float = 3 * 3600.0
    max_channels: int = 8
    max_sample_rate_hz: int = 384_000
    max_decoded_bytes: int = 8192 * MIB
    max_lut_bytes: int = 128 * MIB
    decode_timeout_s: float = 120.0
    helper_memory_bytes: int = 8192 * MIB
    in_memory_bytes: int = 512 * MIB


_in_force = MediaLimits()


def media_limits() -> MediaLimits:
    """Return the limits of this deployment: the defaults, unless its settings say otherwise."""
    return _in_force


def set_media_limits(settings: Mapping[str, Any]) -> None:
    """Put a deployment's limits in force, once, where a process starts.

    Args:
        settings: Values by the names of the limits; what is missing keeps its default, and what is
            no limit is passed over.
    """
    global _in_force  # noqa: PLW0603  of the whole process, as its settings are
    named = {
        limit.name: settings[limit.name] for limit in fields(MediaLimits) if limit.name in settings
    }
    _in_force = MediaLimits(**named)
