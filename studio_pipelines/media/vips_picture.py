"""Read a libvips picture's header fields, and write its code values out as they are decoded."""

from typing import Any

import pyvips

from studio_pipelines.media.decoding import (
    Pending,
    check_decoded_size,
    damaged,
    holds_non_finite,
    picture_details,
)
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.picture_modes import code_values
from studio_pipelines.media.sniff import MediaType
from studio_pipelines.media.vips_fields import bytes_field

_DTYPES = {"uchar": "uint8", "ushort": "uint16", "float": "float32"}
_ITEM_BYTES = {"uint8": 1, "uint16": 2, "float32": 4}
_MAX_PROFILE_BYTES = 4 << 20
_MM_PER_INCH = 25.4


def pending_picture(
    image: pyvips.Image,
    media_type: MediaType,
    limits: MediaLimits,
    *,
    exif: bytes | None,
    notes: list[str],
) -> Pending:
    """Make an upright libvips picture ready to be written.

    libvips decodes in its own threads and writes finished rows straight to the carrier.

    Args:
        image: The picture; its header has been checked against the limits on pixels.
        media_type: The format that it comes from.
        limits: The bounds for its decoded size.
        exif: From :func:`~studio_pipelines.media.exif.carried_exif`.
        notes: What has been said about it so far.

    Raises:
        UnsupportedMedia: Its samples or channels are of a kind that is not read.
        MediaTooLarge: It takes too much room.
    """
    values, changes = code_values(image, media_type)
    dtype = _DTYPES[str(values.format)]
    decoded_bytes = values.width * values.height * values.bands * _ITEM_BYTES[dtype]
    check_decoded_size(decoded_bytes, limits.max_decoded_bytes)
    profile = bytes_field(values, "icc-profile-data")

    def write(fd: int) -> dict[str, Any]:
        try:
            values.rawsave_target(pyvips.Target.new_to_descriptor(fd))
        except pyvips.Error as error:
            raise damaged(media_type.name, error) from error
        return picture_details(
            shape=(values.height, values.width, values.bands),
            dtype=dtype,
            icc_profile=profile if profile and len(profile) <= _MAX_PROFILE_BYTES else None,
            exif=exif,
            density_dpi=_density_dpi(image),
            non_finite=dtype == "float32" and holds_non_finite(fd),
            notes=[*notes, *changes],
        )

    return Pending(decoded_bytes, write)


def _density_dpi(image: pyvips.Image) -> tuple[float, float] | None:
    """The printing density, which libvips counts per millimetre; 1 is what it sets for none."""
    if image.xres == 1 and image.yres == 1:
        return None
    return image.xres * _MM_PER_INCH, image.yres * _MM_PER_INCH
