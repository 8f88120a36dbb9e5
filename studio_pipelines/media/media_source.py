"""Open what a caller hands over as media, and check that it is of the kind that is wanted."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import BinaryIO

from studio_pipelines.errors import UnsupportedMedia, UnusableMedia
from studio_pipelines.media.sniff import GIF, HEAD_BYTES, Media, MediaType, sniff

Source = str | os.PathLike[str] | BinaryIO | bytes
"""A path, a file that is open on a real descriptor, or the bytes themselves."""

_ACCEPTED = {
    Media.IMAGE: "a JPEG, PNG, WebP, TIFF, HEIC, AVIF or OpenEXR picture",
    Media.VIDEO: "an MP4, QuickTime, WebM, Matroska or AVI video",
    Media.AUDIO: "a WAV, FLAC, AIFF, MP3, M4A, AAC, Ogg or Opus sound",
    Media.LUT: "a .cube, .3dl or .csp file",
}

_NOUNS = {
    Media.IMAGE: "picture",
    Media.AUDIO: "sound",
    Media.VIDEO: "video",
    Media.LUT: "look-up table",
}


@contextmanager
def opened(source: Source) -> Generator[int]:
    """Open a source for reading through a descriptor of its own, so that no offset is shared."""
    if isinstance(source, bytes):
        fd = os.memfd_create("source", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(source)
    elif isinstance(source, str | os.PathLike):
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    else:
        fd = os.open(f"/proc/self/fd/{source.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def accepted_type(fd: int, wanted: Media) -> MediaType:
    """Tell an open file's format and check that it is wanted.

    Args:
        fd: The file.
        wanted: ``Media.IMAGE``, ``Media.VIDEO``, ``Media.LUT``, or ``Media.AUDIO``, for which a
            video will do too.

    Raises:
        UnusableMedia: The file is empty.
        UnsupportedMedia: It is of another kind.
    """
    head = os.pread(fd, HEAD_BYTES, 0)
    if not head:
        raise UnusableMedia("The file is empty (0 bytes).", hint=f"Send {_ACCEPTED[wanted]}.")
    media_type = sniff(head)
    kinds = {wanted, Media.VIDEO} if wanted is Media.AUDIO else {wanted}
    if media_type is None or media_type.kind not in kinds or media_type is GIF:
        found = "of no known format" if media_type is None else f"a {media_type.name} file"
        raise UnsupportedMedia(
            f"The file is not a {_NOUNS[wanted]} that can be read: it is {found}.",
            hint=f"Send {_ACCEPTED[wanted]}.",
        )
    return media_type
