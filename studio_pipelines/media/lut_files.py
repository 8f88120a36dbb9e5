"""Look-up tables in text files: which formats there are, and how large a file may be."""

from typing import Final

from studio_pipelines.errors import MediaTooLarge
from studio_pipelines.media.limits import MIB, MediaLimits
from studio_pipelines.media.sniff import CSP, CUBE, LUT_3DL

_TEXT_FORMATS: Final = frozenset(one.mime for one in (CUBE, LUT_3DL, CSP))
_MOST_OLD_TEXT_BYTES: Final = 16 * MIB


def is_lut_text(media_type: str) -> bool:
    """Tell whether a media type is that of a LUT in a text file."""
    return media_type in _TEXT_FORMATS


def check_lut_size(size_bytes: int, media_type: str, limits: MediaLimits) -> None:
    """Refuse a LUT file before it is read into memory.

    Args:
        size_bytes: The file's size.
        media_type: One of those of :func:`is_lut_text`.
        limits: The bound for a .cube; the two older formats, which take far more memory than their
            text while they are parsed, have one of their own as well.

    Raises:
        MediaTooLarge: With its size and the limit.
    """
    most = limits.max_lut_bytes
    if media_type != CUBE.mime:
        most = min(most, _MOST_OLD_TEXT_BYTES)
    if size_bytes > most:
        raise MediaTooLarge(
            f"The LUT file has {size_bytes:,} bytes; at most {most:,} are allowed.",
            field="lut",
            hint="Export it with fewer points: 65 an edge are more than the eye can tell.",
        )
