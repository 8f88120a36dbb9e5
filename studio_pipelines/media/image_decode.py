"""Open pictures for decoding: by libvips, or by what reads the format. Runs in the helper process.

libvips streams: a picture never lies in this process as a whole, except where its EXIF orientation
turns it.
"""

import mmap
import os
from collections.abc import Callable
from typing import BinaryIO

import pyvips

from studio_pipelines.media import sniff
from studio_pipelines.media.decoding import Pending, check_file_size, check_picture_size, damaged
from studio_pipelines.media.exif import carried_exif
from studio_pipelines.media.exr_decode import open_exr
from studio_pipelines.media.heic_decode import open_heic
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.sniff import MediaType
from studio_pipelines.media.vips_fields import bytes_field, number_field, set_number_field
from studio_pipelines.media.vips_picture import pending_picture

_LOADERS = {
    sniff.JPEG: "jpegload_source",
    sniff.PNG: "pngload_source",
    sniff.WEBP: "webpload_source",
    sniff.TIFF: "tiffload_source",
    sniff.AVIF: "heifload_source",
}
_STREAMED_ORIENTATIONS = (1, 2)  # upright and mirrored left to right need no later rows

pyvips.cache_set_max(0)  # no two requests are alike, and a cache would hold on to their pixels


def open_picture(file: BinaryIO, media_type: MediaType, limits: MediaLimits) -> Pending:
    """Read a picture's header and check it.

    Args:
        file: The picture, at its start.
        media_type: What :func:`sniff.sniff` says it is.
        limits: The bounds to check it against.

    Raises:
        UnsupportedMedia: It holds something that a picture here cannot hold.
        UnusableMedia: It is damaged; also raised by ``write``.
        MediaTooLarge: It exceeds a limit.
    """
    check_file_size(os.fstat(file.fileno()).st_size, limits)
    if media_type is sniff.EXR:
        return open_exr(file, limits)
    try:
        if media_type is sniff.HEIC:
            return open_heic(file, limits)
        return _open_with_vips(file, media_type, limits)
    except pyvips.Error as error:
        raise damaged(media_type.name, error) from error


def _open_with_vips(file: BinaryIO, media_type: MediaType, limits: MediaLimits) -> Pending:
    def load(access: str) -> pyvips.Image:
        file.seek(0)
        source = pyvips.Source.new_from_descriptor(file.fileno())
        loader: Callable[..., pyvips.Image] = getattr(pyvips.Image, _LOADERS[media_type])
        return loader(source, access=access, fail_on="error")

    header = load("sequential")
    check_picture_size(header.width, header.height, limits)
    orientation = _orientation(header, media_type)
    image = header if orientation in _STREAMED_ORIENTATIONS else load("random")
    if orientation != 1:
        image = image.copy()
        set_number_field(image, "orientation", orientation)
        image = image.autorot()
    exif = _exif(header, media_type, file)
    notes = _page_notes(header, media_type, file)
    return pending_picture(image, media_type, limits, exif=exif, notes=notes)


def _orientation(image: pyvips.Image, media_type: MediaType) -> int:
    """The EXIF orientation still to be applied; libheif has turned AVIF pictures already."""
    orientation = 1 if media_type is sniff.AVIF else number_field(image, "orientation", 1)
    return orientation if 1 <= orientation <= 8 else 1


def _exif(image: pyvips.Image, media_type: MediaType, file: BinaryIO) -> bytes | None:
    if media_type is sniff.TIFF:  # the file is one EXIF-like structure itself
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as whole, memoryview(whole) as view:
            return carried_exif(view)
    block = bytes_field(image, "exif-data")
    return carried_exif(block) if block else None


def _page_notes(image: pyvips.Image, media_type: MediaType, file: BinaryIO) -> list[str]:
    pages = number_field(image, "n-pages", 1)
    if pages > 1:
        return [f"The file holds {pages} frames or pages; the first was taken."]
    if media_type is sniff.PNG and b"acTL" in os.pread(file.fileno(), sniff.HEAD_BYTES, 0):
        return ["The file is an animation; its first frame was taken."]
    return []
