"""Decode HEIC through libheif and libde265. Runs in the helper process."""

from collections.abc import Callable
from typing import Any, BinaryIO

import pillow_heif
import pyvips

from studio_pipelines.errors import MediaTooLarge, UnsupportedMedia
from studio_pipelines.media import sniff
from studio_pipelines.media.decoding import Pending, check_picture_size, damaged
from studio_pipelines.media.exif import carried_exif
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.vips_fields import set_bytes_field, set_number_field
from studio_pipelines.media.vips_picture import pending_picture

_open_heif: Callable[..., Any] = vars(pillow_heif)["open_heif"]  # its stub is incomplete
_BANDS = {"L": 1, "RGB": 3, "RGBA": 4}


def open_heic(file: BinaryIO, limits: MediaLimits) -> Pending:
    """Check a HEIC picture's header, and decode it.

    libheif turns it upright by the file's own properties; EXIF's orientation, which only repeats
    them (ISO/IEC 23008-12, A.2.4), is not applied again.

    Raises:
        UnsupportedMedia: It holds something that a picture here cannot hold.
        UnusableMedia: It is damaged.
        MediaTooLarge: It exceeds a limit.
    """
    try:
        heif = _open_heif(file, convert_hdr_to_8bit=False)
        if not len(heif):
            raise damaged("HEIC", "no picture in it")
        primary = heif[heif.primary_index]
        width_px, height_px = primary.size
        check_picture_size(width_px, height_px, limits)
        image = _as_vips(primary)
    except (ValueError, EOFError, SyntaxError, OSError, RuntimeError) as error:
        raise damaged("HEIC", error) from error
    except MemoryError as error:
        raise MediaTooLarge("The HEIC picture needs too much memory to decode.") from error
    info: dict[str, Any] = primary.info
    set_number_field(image, "bits-per-sample", int(info.get("bit_depth", 8)))
    if info.get("icc_profile"):
        set_bytes_field(image, "icc-profile-data", info["icc_profile"])
    exif = carried_exif(info["exif"]) if info.get("exif") else None
    notes = ["The file holds several pictures; the main one was taken."] if len(heif) > 1 else []
    return pending_picture(image, sniff.HEIC, limits, exif=exif, notes=notes)


def _as_vips(primary: Any) -> pyvips.Image:
    """Wrap libheif's decoded rows without copying them, leaving out the padding at their ends."""
    colour, _, depth = str(primary.mode).partition(";")
    if colour not in _BANDS or depth not in ("", "16"):
        raise UnsupportedMedia(f"HEIC pictures of type {primary.mode} cannot be read.")
    bands, deep = _BANDS[colour], bool(depth)
    width, height = primary.size
    row_pixels = primary.stride // (bands * (2 if deep else 1))
    padded = pyvips.Image.new_from_memory(
        primary.data, row_pixels, height, bands, "ushort" if deep else "uchar"
    )
    kinds = ("grey16", "rgb16") if deep else ("b-w", "srgb")
    return padded.crop(0, 0, width, height).copy(interpretation=kinds[bands > 1])
