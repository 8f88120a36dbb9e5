"""Tell what a file is from its first bytes, never from its name.

Standard library only: the HTTP process imports this module.
"""

import re
from dataclasses import dataclass
from enum import Enum

HEAD_BYTES = 4096
"""How many leading bytes :func:`sniff` wants; fewer are enough for most formats."""


class Media(Enum):
    """The broad kind of a file: what an operation's field accepts."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    LUT = "lut"
    ARCHIVE = "archive"
    WEIGHTS = "weights"


@dataclass(frozen=True, slots=True)
class MediaType:
    """What a file is.

    Attributes:
        mime: The registered media type, or the customary one where none is registered.
        kind: The broad kind.
        suffix: The customary file suffix, with its dot.
        name: The format's name for people.
    """

    mime: str
    kind: Media
    suffix: str
    name: str


JPEG = MediaType("image/jpeg", Media.IMAGE, ".jpg", "JPEG")
PNG = MediaType("image/png", Media.IMAGE, ".png", "PNG")
WEBP = MediaType("image/webp", Media.IMAGE, ".webp", "WebP")
TIFF = MediaType("image/tiff", Media.IMAGE, ".tif", "TIFF")
HEIC = MediaType("image/heic", Media.IMAGE, ".heic", "HEIC")
AVIF = MediaType("image/avif", Media.IMAGE, ".avif", "AVIF")
EXR = MediaType("image/x-exr", Media.IMAGE, ".exr", "OpenEXR")
GIF = MediaType("image/gif", Media.IMAGE, ".gif", "GIF")
WAV = MediaType("audio/wav", Media.AUDIO, ".wav", "WAV")
FLAC = MediaType("audio/flac", Media.AUDIO, ".flac", "FLAC")
MP3 = MediaType("audio/mpeg", Media.AUDIO, ".mp3", "MP3")
OGG = MediaType("audio/ogg", Media.AUDIO, ".ogg", "Ogg")
OPUS = MediaType("audio/ogg; codecs=opus", Media.AUDIO, ".opus", "Ogg Opus")
M4A = MediaType("audio/mp4", Media.AUDIO, ".m4a", "MPEG-4 audio")
AAC = MediaType("audio/aac", Media.AUDIO, ".aac", "AAC")
AIFF = MediaType("audio/aiff", Media.AUDIO, ".aiff", "AIFF")
MP4 = MediaType("video/mp4", Media.VIDEO, ".mp4", "MP4")
QUICKTIME = MediaType("video/quicktime", Media.VIDEO, ".mov", "QuickTime")
WEBM = MediaType("video/webm", Media.VIDEO, ".webm", "WebM")
MATROSKA = MediaType("video/x-matroska", Media.VIDEO, ".mkv", "Matroska")
AVI = MediaType("video/x-msvideo", Media.VIDEO, ".avi", "AVI")
CUBE = MediaType("application/x-cube-lut", Media.LUT, ".cube", "Cube LUT")
CSP = MediaType("application/x-csp-lut", Media.LUT, ".csp", "cineSpace LUT")
LUT_3DL = MediaType("application/x-3dl-lut", Media.LUT, ".3dl", "3DL LUT")
ZIP = MediaType("application/zip", Media.ARCHIVE, ".zip", "ZIP")
SAFETENSORS = MediaType("application/x-safetensors", Media.WEIGHTS, ".safetensors", "safetensors")

_PREFIXES = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00\x08\x00\x00\x00", TIFF),
    (b"MM\x00+\x00\x08\x00\x00", TIFF),
    (b"\x76\x2f\x31\x01", EXR),
    (b"CSPLUTV100", CSP),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"fLaC", FLAC),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
)
_RIFF_FORMS = {b"WEBP": WEBP, b"WAVE": WAV, b"AVI ": AVI}
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_M4A_BRANDS = frozenset((b"M4A ", b"M4B ", b"M4P "))
# A row of input levels from 0, then rows of three whole numbers.
_3DL_ROWS = re.compile(
    rb"^[ \t]*0([ \t]+\d+)+[ \t]*\r?\n([ \t]*\d+([ \t]+\d+){2}[ \t]*\r?\n){3}", re.MULTILINE
)
_CUBE_KEYWORD = re.compile(rb"^[ \t]*LUT_[13]D_SIZE[ \t]+\d+[ \t]*\r?$", re.MULTILINE)


def sniff(head: bytes) -> MediaType | None:
    """Name the format of a file.

    Args:
        head: The file's first bytes; :data:`HEAD_BYTES` of them decide every format.

    Returns:
        The format, or None where the bytes are none of the known ones. A known format is no
        promise that the rest of the file is sound.
    """
    for prefix, media_type in _PREFIXES:
        if head.startswith(prefix):
            return media_type
    return (
        _riff_or_aiff(head)
        or _iso_base_media(head)
        or _ogg(head)
        or _matroska(head)
        or _mpeg_audio(head)
        or _cube(head)
        or _safetensors(head)
        or _3dl(head)
    )


def _riff_or_aiff(head: bytes) -> MediaType | None:
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return _RIFF_FORMS.get(head[8:12])
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    return None


def _iso_base_media(head: bytes) -> MediaType | None:
    """Tell the ISO base media family apart by its brands (ISO/IEC 14496-12, 4.3)."""
    if head[4:8] in (b"moov", b"mdat", b"wide"):  # QuickTime from before the brands
        return QUICKTIME
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major = head[8:12]
    brands = {major, *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return AVIF
    if brands & _HEIC_BRANDS and major not in (b"isom", b"mp42", b"qt  "):
        return HEIC
    if major in _M4A_BRANDS:
        return M4A
    return QUICKTIME if major == b"qt  " else MP4


def _ogg(head: bytes) -> MediaType | None:
    if not head.startswith(b"OggS"):
        return None
    return OPUS if b"OpusHead" in head[:128] else OGG


def _matroska(head: bytes) -> MediaType | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    return WEBM if b"webm" in head[:64] else MATROSKA


def _mpeg_audio(head: bytes) -> MediaType | None:
    """Find an ID3 tag or a frame header (ISO/IEC 11172-3, 2.4.2.3; 13818-7, 6.2)."""
    if head.startswith(b"ID3"):
        return MP3
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:  # twelve sync bits, layer 00: ADTS
        return AAC if (head[2] >> 2) & 0xF < 13 else None
    is_layer_3 = head[1] & 0xE6 == 0xE2 and (head[1] >> 3) & 3 != 1
    bitrate_index, rate_index = head[2] >> 4, (head[2] >> 2) & 3
    return MP3 if is_layer_3 and 0 < bitrate_index < 15 and rate_index < 3 else None


def _cube(head: bytes) -> MediaType | None:
    return CUBE if b"\x00" not in head and _CUBE_KEYWORD.search(head) else None


def _3dl(head: bytes) -> MediaType | None:
    return LUT_3DL if b"\x00" not in head and _3DL_ROWS.search(head) else None


def _safetensors(head: bytes) -> MediaType | None:
    """A little-endian header length, then a JSON object (the safetensors format)."""
    header_bytes = int.from_bytes(head[:8], "little")
    is_object = head[8:9] == b"{" and head[9:10] in (b'"', b"}", b" ")
    return SAFETENSORS if is_object and 2 <= header_bytes <= 100_000_000 else None
