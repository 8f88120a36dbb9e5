"""What every decoder inside the helper offers: a checked header, then a way to write the rest."""

import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studio_pipelines.errors import MediaTooLarge, UnusableMedia
from studio_pipelines.media.limits import MediaLimits

_MESSAGE_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Pending:
    """A file whose header has been read and found within the limits.

    Attributes:
        expected_bytes: About how much ``write`` will write.
        write: Decodes into an open, empty file and returns the details that go with it: ``shape``
            and ``dtype`` of what it wrote, and what the picture or sound carries besides.
    """

    expected_bytes: int
    write: Callable[[int], dict[str, Any]]


def check_file_size(file_bytes: int, limits: MediaLimits) -> None:
    """Refuse a picture whose file is too large.

    Raises:
        MediaTooLarge: With its size and the limit.
    """
    if file_bytes > limits.max_picture_bytes:
        raise MediaTooLarge(
            f"The picture's file has {file_bytes >> 20} MiB; "
            f"at most {limits.max_picture_bytes >> 20} MiB are allowed.",
            hint="Compress it, or send a part of it.",
        )


def check_picture_size(width_px: int, height_px: int, limits: MediaLimits) -> None:
    """Refuse a picture with too many pixels, or too long a side.

    Raises:
        MediaTooLarge: With the picture's size and the limit.
    """
    size = f"The picture is {width_px} x {height_px} pixels"
    if max(width_px, height_px) > limits.max_side_px:
        raise MediaTooLarge(
            f"{size}; at most {limits.max_side_px} on a side are allowed.",
            hint="Scale it down or send a part of it.",
        )
    if width_px * height_px > limits.max_pixels:
        raise MediaTooLarge(
            f"{size}, {width_px * height_px / 1e6:.0f} megapixels; "
            f"at most {limits.max_pixels / 1e6:.0f} are allowed.",
            hint="Scale it down or send a part of it.",
        )


def check_decoded_size(decoded_bytes: int, max_decoded_bytes: int) -> None:
    """Refuse what would take more room than the limits admit.

    Raises:
        MediaTooLarge: With both sizes.
    """
    if decoded_bytes > max_decoded_bytes:
        raise MediaTooLarge(
            f"Decoded, the file takes {decoded_bytes >> 20} MiB; "
            f"at most {max_decoded_bytes >> 20} MiB are allowed.",
            hint="Send a smaller or shorter file.",
        )


def damaged(name: str, reason: object) -> UnusableMedia:
    """Make the refusal of a file that a library could not read to its end.

    Args:
        name: The format's name.
        reason: What the library said; its last line is quoted without anything path-like.
    """
    lines = [line.strip() for line in str(reason).splitlines() if line.strip()]
    said = "".join(letter for letter in (lines[-1] if lines else "") if letter.isprintable())
    said = "" if "/" in said else said[:_MESSAGE_CHARACTERS].rstrip(". ")
    return UnusableMedia(
        f"The {name} file is damaged or cut off{f' ({said})' if said else ''}.",
        hint="Open it in another program and export it again, or send it again in full.",
    )


def write_array(fd: int, array: npt.NDArray[np.generic]) -> None:
    """Write a C-contiguous array to the end of a file, all of it."""
    rest = array.data.cast("B")
    while rest:
        rest = rest[os.write(fd, rest) :]


def holds_non_finite(fd: int) -> bool:
    """Whether a file of float32 numbers holds NaN or infinity."""
    block = np.empty(1 << 20, dtype=np.float32)
    position = 0
    while count := os.preadv(fd, [block.data.cast("B")], position):
        if not np.isfinite(block[: count // 4]).all():
            return True
        position += count
    return False


def picture_details(
    *,
    shape: tuple[int, int, int],
    dtype: str,
    icc_profile: bytes | None,
    exif: bytes | None,
    density_dpi: tuple[float, float] | None,
    non_finite: bool,
    notes: list[str],
) -> dict[str, Any]:
    """Lay out what goes with a picture's pixels as a message."""
    return {
        "shape": shape,
        "dtype": dtype,
        "icc_profile": b64encode(icc_profile).decode() if icc_profile else None,
        "exif": b64encode(exif).decode() if exif else None,
        "density_dpi": density_dpi,
        "has_non_finite": non_finite,
        "notes": notes + (["The picture holds NaN or infinite values."] if non_finite else []),
    }
