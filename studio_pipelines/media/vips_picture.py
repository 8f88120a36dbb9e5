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
from studio_pipelines.media.vips_fields import bytes_field, set_bytes_field

_DTYPES = {"uchar": "uint8", "ushort": "uint16", "float": "float32"}
_ITEM_BYTES = {"uint8": 1, "uint16": 2, "float32": 4}
_MAX_PROFILE_BYTES = 4 << 20
_MM_PER_INCH = 25.4
_CHECKED_SPACES = {b"RGB ": (3, "srgb"), b"GRAY": (1, "b-w")}


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
    profile, remark = _usable_profile(values)

    def write(fd: int) -> dict[str, Any]:
        try:
            values.rawsave_target(pyvips.Target.new_to_descriptor(fd))
        except pyvips.Error as error:
            raise damaged(media_type.name, error) from error
        return picture_details(
            shape=(values.height, values.width, values.bands),
            dtype=dtype,
            icc_profile=profile,
            exif=exif,
            density_dpi=_density_dpi(image),
            non_finite=dtype == "float32" and holds_non_finite(fd),
            notes=[*notes, *changes, *remark],
        )

    return Pending(decoded_bytes, write)


def _usable_profile(image: pyvips.Image) -> tuple[bytes | None, list[str]]:
    """Return the ICC profile, if colours can be converted by it; else None, and why.

    Whoever gets the picture converts by it, outside of this process: what LittleCMS cannot take is
    to be found out here.
    """
    profile = bytes_field(image, "icc-profile-data")
    if profile is None:
        return None, []
    if len(profile) > _MAX_PROFILE_BYTES:
        return None, ["The colour profile is too large; it was left out."]
    if profile[16:20] not in _CHECKED_SPACES:  # it is carried, and nothing is converted by it
        return profile, []
    bands, interpretation = _CHECKED_SPACES[profile[16:20]]
    pixel = pyvips.Image.black(1, 1, bands=bands).copy(interpretation=interpretation)
    set_bytes_field(pixel, "icc-profile-data", profile)
    try:
        pixel.icc_transform("srgb", embedded=True, intent="relative").write_to_memory()
    except pyvips.Error:
        return None, ["The colour profile is damaged; it was left out."]
    return profile, []


def _density_dpi(image: pyvips.Image) -> tuple[float, float] | None:
    """The printing density, which libvips counts per millimetre; 1 is what it sets for none."""
    if image.xres == 1 and image.yres == 1:
        return None
    return image.xres * _MM_PER_INCH, image.yres * _MM_PER_INCH
