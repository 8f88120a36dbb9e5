"""Decode OpenEXR through OpenImageIO. Runs in the helper process."""

import os
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import OpenImageIO

from studio_pipelines.errors import MediaTooLarge, UnsupportedMedia
from studio_pipelines.media.decoding import (
    Pending,
    check_decoded_size,
    check_picture_size,
    damaged,
    holds_non_finite,
    picture_details,
    write_array,
)
from studio_pipelines.media.limits import MediaLimits

_ROWS_AT_ONCE = 256
_COLOUR = (("R", "G", "B", "A"), ("R", "G", "B"), ("Y",))


def open_exr(file: BinaryIO, limits: MediaLimits) -> Pending:
    """Read the header of an OpenEXR picture and check it.

    Half and float samples become float32; the display window is what counts; premultiplied colour
    (the format's convention) is divided by its alpha.

    Raises:
        UnsupportedMedia: It is deep, or has no R, G, B or Y channel.
        UnusableMedia: It is damaged; also raised by ``write``.
        MediaTooLarge: It exceeds a limit.
    """
    copy = _anonymous_copy(file)
    try:
        source = OpenImageIO.ImageInput.open(f"/proc/self/fd/{copy}")
    finally:
        os.close(copy)
    if source is None or source.format_name() != "openexr":
        raise damaged("OpenEXR", _said(OpenImageIO.geterror))
    spec = source.spec()
    check_picture_size(spec.full_width, spec.full_height, limits)
    check_picture_size(spec.width, spec.height, limits)
    channels = _colour_channels(spec)
    decoded_bytes = spec.full_width * spec.full_height * len(channels) * 4
    check_decoded_size(decoded_bytes, limits.max_decoded_bytes)

    def write(fd: int) -> dict[str, Any]:
        notes = _write_rows(source, spec, channels, fd)
        if source.seek_subimage(1, 0):
            notes.append("The file holds several parts; the first was taken.")
        return picture_details(
            shape=(spec.full_height, spec.full_width, len(channels)),
            dtype="float32",
            icc_profile=None,
            exif=None,
            density_dpi=None,
            non_finite=holds_non_finite(fd),
            notes=notes,
        )

    return Pending(decoded_bytes, write)


def _anonymous_copy(file: BinaryIO) -> int:
    """Copy the file to memory: OpenImageIO opens by name only, and named files are shut out."""
    copy = os.memfd_create("exr", os.MFD_CLOEXEC)
    remaining = os.fstat(file.fileno()).st_size
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    while remaining > 0:
        sent = os.sendfile(copy, file.fileno(), None, remaining)
        if sent == 0:
            break
        remaining -= sent
    return copy


def _colour_channels(spec: OpenImageIO.ImageSpec) -> list[int]:
    """The indices of the channels to read, in the order R, G, B, A, or that of luminance."""
    try:
        names = [str(name) for name in spec.channelnames]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]
    except UnicodeDecodeError as error:
        raise damaged("OpenEXR", "a channel's name is no text") from error
    if spec.deep:
        raise UnsupportedMedia("Deep OpenEXR pictures cannot be read.", hint="Flatten it first.")
    for wanted in _COLOUR:
        if all(name in names for name in wanted):
            return [names.index(name) for name in wanted]
    if len(names) == 1:
        return [0]
    raise UnsupportedMedia(
        f"The OpenEXR picture has the channels {', '.join(names)[:80]}, not R, G and B, or Y.",
        hint="Export the colour channels as R, G, B.",
    )


def _write_rows(
    source: OpenImageIO.ImageInput, spec: OpenImageIO.ImageSpec, channels: list[int], fd: int
) -> list[str]:
    """Write the display window from top to bottom; outside the data window it is zero."""
    left, top = max(spec.x, spec.full_x), max(spec.y, spec.full_y)
    right = min(spec.x + spec.width, spec.full_x + spec.full_width)
    full_bottom = spec.full_y + spec.full_height
    bottom = min(spec.y + spec.height, full_bottom)
    straightened = False
    for start in range(spec.full_y, full_bottom, _ROWS_AT_ONCE):
        end = min(start + _ROWS_AT_ONCE, full_bottom)
        rows = np.zeros((end - start, spec.full_width, len(channels)), dtype=np.float32)
        first, last = max(start, top), min(end, bottom)
        if first < last and left < right:
            data = _read(source, spec, first, last)[:, left - spec.x : right - spec.x, channels]
            if len(channels) == 4:
                straightened |= _unpremultiply(data)
            rows[first - start : last - start, left - spec.full_x : right - spec.full_x] = data
        write_array(fd, rows)
    notes: list[str] = []
    if straightened:
        notes.append("The colour was premultiplied by alpha; it was divided by it.")
    if (spec.x, spec.y, spec.width, spec.height) != (
        *(spec.full_x, spec.full_y),
        *(spec.full_width, spec.full_height),
    ):
        notes.append("The data window differs from the display window; the latter was taken.")
    return notes


def _read(
    source: OpenImageIO.ImageInput, spec: OpenImageIO.ImageSpec, first: int, last: int
) -> npt.NDArray[np.float32]:
    try:
        rows = source.read_scanlines(0, 0, first, last, 0, 0, spec.nchannels, "float")
    except MemoryError as error:
        raise MediaTooLarge("The OpenEXR picture needs too much memory to decode.") from error
    if rows is None or source.has_error:
        raise damaged("OpenEXR", _said(source.geterror))
    return rows.reshape(last - first, spec.width, spec.nchannels)


def _said(last_error: Callable[[], str]) -> str:
    """Return what the library says is wrong; it quotes the file, whose names may be no text."""
    try:
        return last_error()
    except UnicodeDecodeError:
        return ""


def _unpremultiply(rows: npt.NDArray[np.float32]) -> bool:
    """Divide colour by alpha in place where that is defined; return whether anything changed."""
    alpha = rows[..., 3:]
    partial = (alpha > 0) & (alpha != 1)
    np.divide(rows[..., :3], alpha, out=rows[..., :3], where=partial)
    return bool(partial.any())
