"""Encode pictures that this process made itself, with their colour profile and EXIF.

The encoders work on the picture's own memory; nothing is copied as a whole.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyvips

from studio_pipelines.errors import InvalidParameter, UnusableMedia
from studio_pipelines.media import sniff
from studio_pipelines.media.exif import graft_exif
from studio_pipelines.media.interruptible import bands, run_interruptibly
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.sniff import MediaType
from studio_pipelines.media.vips_fields import set_bytes_field

PictureFormat = Literal["png", "jpeg", "webp", "tiff"]

_MEDIA_TYPES = {"png": sniff.PNG, "jpeg": sniff.JPEG, "webp": sniff.WEBP, "tiff": sniff.TIFF}
_MAX_SIDE_PX = {"png": 2**31 - 1, "jpeg": 65_535, "webp": 16_383, "tiff": 2**31 - 1}
_DEFAULT_QUALITY = {"jpeg": 92, "webp": 90}
_VIPS_FORMATS = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}
_PROFILE_SPACES = {1: b"GRAY", 3: b"RGB ", 4: b"RGB "}
_ITEM_BYTES = {"uchar": 1, "ushort": 2, "float": 4}
_DEFAULT_DPI = 72.0
_MM_PER_INCH = 25.4
_CLASSIC_TIFF_BYTES = 3_500_000_000


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """What was written.

    Attributes:
        media_type: The format.
        file_bytes: Size of the file.
        notes: Plain sentences about what the format could not hold.
    """

    media_type: MediaType
    file_bytes: int
    notes: tuple[str, ...]


def encode_picture(
    picture: Picture,
    path: Path,
    *,
    format: PictureFormat = "png",  # noqa: A002  the request's own word for it
    quality: int | None = None,
) -> EncodedPicture:
    """Write a picture to a file.

    PNG keeps 8 and 16 bits, TIFF also floating point, both lossless. JPEG and WebP hold 8 bits:
    deeper values are rounded to the nearest; JPEG has no alpha, so the picture is laid over white.
    Floating-point values for an integer format are code values from 0 to 1, clipped to that range.
    An interrupt stops the encoding within a few rows.

    Args:
        picture: The picture.
        path: The file, created or overwritten; removed again when encoding fails.
        format: What to write, whatever the path is called.
        quality: 1 to 100 for JPEG (92 by default; 90 and above keep full colour resolution) and
            WebP (90 by default; 100 is lossless). Ignored by PNG and TIFF.

    Raises:
        InvalidParameter: The quality is out of range, or the picture too large for the format.
        UnusableMedia: The picture holds NaN or infinity and the format cannot.
        OSError: The disk is full, read-only or fails.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise InvalidParameter(f"quality is {quality}; it must be from 1 to 100.", field="quality")
    longest_px = max(picture.width_px, picture.height_px)
    if longest_px > _MAX_SIDE_PX[format]:
        raise InvalidParameter(
            f"The picture is {longest_px} pixels long; {_MEDIA_TYPES[format].name} holds at most "
            f"{_MAX_SIDE_PX[format]}.",
            field="format",
            hint="Ask for png or tiff.",
        )
    notes: list[str] = []
    image = _storable(picture, format, notes)
    try:
        with path.open("w+b") as file:
            target = pyvips.Target.new_to_descriptor(file.fileno())
            run_interruptibly(
                lambda: _save(image, format, quality, target), stop=lambda: image.set_kill(True)
            )
            if format == "tiff" and picture.exif is not None:
                graft_exif(file, picture.exif)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, pyvips.Error):
            raise _disk_fault_in(error) from error
        raise
    return EncodedPicture(_MEDIA_TYPES[format], path.stat().st_size, tuple(notes))


def vips_image(picture: Picture) -> pyvips.Image:
    """Wrap a picture's memory, which has to outlive the result, as a libvips image."""
    pixels = np.ascontiguousarray(picture.pixels)
    height, width, bands = pixels.shape
    image = pyvips.Image.new_from_memory(
        pixels.data, width, height, bands, _VIPS_FORMATS[pixels.dtype.name]
    )
    deep = pixels.dtype == np.uint16
    kind = ("grey16" if deep else "b-w") if bands == 1 else ("rgb16" if deep else "srgb")
    return image.copy(interpretation=kind)


def has_fitting_profile(picture: Picture) -> bool:
    """Whether the picture has an ICC profile, and one for its number of channels."""
    profile = picture.icc_profile
    return profile is not None and profile[16:20] == _PROFILE_SPACES[picture.channels]


def to_integers(image: pyvips.Image, *, bits: int) -> pyvips.Image:
    """Round an image's code values to 8 or 16 bits; floating point is clipped to 0 to 1."""
    full, cast = (255, "uchar") if bits == 8 else (65535, "ushort")
    kinds = ("b-w", "srgb") if bits == 8 else ("grey16", "rgb16")
    kind = kinds[image.bands > 1]
    if image.format == "float":
        return (image * full + 0.5).cast(cast).copy(interpretation=kind)
    if image.format == "ushort" and bits == 8:  # 65535 = 257 x 255
        return ((image + 128) / 257).cast(cast).copy(interpretation=kind)
    return image


def _storable(picture: Picture, format: PictureFormat, notes: list[str]) -> pyvips.Image:  # noqa: A002
    """Bring a picture to what the format holds, and hang its metadata on it."""
    image = vips_image(picture)
    if image.format == "float" and format != "tiff":
        _check_range(picture, notes)
    if format in ("jpeg", "webp"):
        if image.format != "uchar":
            notes.append(f"The values were rounded to the 8 bits that {format} holds.")
        image = to_integers(image, bits=8)
    elif format == "png":
        image = to_integers(image, bits=8 if image.format == "uchar" else 16)
    if format == "jpeg" and picture.channels == 4:
        notes.append("JPEG holds no transparency: the picture was laid over white.")
        image = image.flatten(background=[255, 255, 255])
    dpi = picture.density_dpi or (_DEFAULT_DPI, _DEFAULT_DPI)
    image = image.copy(xres=dpi[0] / _MM_PER_INCH, yres=dpi[1] / _MM_PER_INCH)
    if picture.icc_profile is not None and has_fitting_profile(picture):
        set_bytes_field(image, "icc-profile-data", picture.icc_profile)
    elif picture.icc_profile is not None:
        notes.append("The colour profile does not fit the picture's channels and was left out.")
    if picture.exif is not None and format != "tiff":
        set_bytes_field(image, "exif-data", picture.exif)
    return image


def _check_range(picture: Picture, notes: list[str]) -> None:
    rows = list(bands(picture.height_px, picture.width_px))
    lowest = float(np.min([picture.pixels[band].min() for band in rows]))
    highest = float(np.max([picture.pixels[band].max() for band in rows]))
    if not np.isfinite([lowest, highest]).all():
        raise UnusableMedia(
            "The picture holds NaN or infinite values, which this format cannot store.",
            hint="Ask for tiff, or clean the picture first.",
        )
    if lowest < 0 or highest > 1:
        notes.append(f"Values from {lowest:.4g} to {highest:.4g} were clipped to 0 to 1.")


def _save(
    image: pyvips.Image,
    format: PictureFormat,  # noqa: A002
    quality: int | None,
    target: pyvips.Target,
) -> None:
    options: dict[str, Any] = {"keep": "all"}
    level = quality if quality is not None else _DEFAULT_QUALITY.get(format, 0)
    if format == "png":
        # Measured (bench/decode.py): level 2 is as small as level 6 within 1 %, and faster.
        options |= {"compression": 2, "filter": "sub"}
        image.pngsave_target(target, **options)
    elif format == "tiff":
        size = image.width * image.height * image.bands * _ITEM_BYTES[str(image.format)]
        options |= {"predictor": "float" if image.format == "float" else "horizontal"}
        options |= {"compression": "deflate", "bigtiff": size > _CLASSIC_TIFF_BYTES}
        image.tiffsave_target(target, **options)
    elif format == "jpeg":
        image.jpegsave_target(target, Q=level, optimize_coding=True, **options)
    else:
        image.webpsave_target(target, Q=level, lossless=level == 100, exact=True, **options)


def _disk_fault_in(error: pyvips.Error) -> Exception:
    """Return what the disk said, which libvips tells in words alone, or else the error itself."""
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
        if os.strerror(number) in str(error):
            return OSError(number, os.strerror(number))
    return error
