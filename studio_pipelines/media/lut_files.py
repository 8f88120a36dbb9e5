"""Look-up tables in text files: which parser reads which format, and how large a file may be."""

from collections.abc import Callable
from typing import Final

from studio_pipelines.errors import MediaTooLarge
from studio_pipelines.media.limits import MIB, MediaLimits
from studio_pipelines.media.lut_formats import parse_cube
from studio_pipelines.media.lut_table import Lut
from studio_pipelines.media.lut_text_formats import parse_3dl, parse_csp
from studio_pipelines.media.sniff import CSP, CUBE, LUT_3DL

_PARSERS: Final[dict[str, Callable[[bytes], Lut]]] = {
    CUBE.mime: parse_cube,
    LUT_3DL.mime: parse_3dl,
    CSP.mime: parse_csp,
}
_MOST_OLD_TEXT_BYTES: Final = 16 * MIB


def is_lut_text(media_type: str) -> bool:
    """Tell whether a media type is that of a LUT in a text file."""
    return media_type in _PARSERS


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


def read_lut_text(data: bytes, media_type: str) -> Lut:
    """Read a .cube, .3dl or .csp file.

    Args:
        data: The file.
        media_type: One of those of :func:`is_lut_text`.

    Raises:
        UnusableMedia: The file breaks its format.
    """
    return _PARSERS[media_type](data)
