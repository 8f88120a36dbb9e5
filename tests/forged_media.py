"""Files whose headers promise what nobody can hold: forged from sound ones."""

import struct
import zlib
from collections.abc import Callable
from functools import cache

from media_chunks import chunks_of


def mend_png_sums(data: bytearray) -> None:
    """Make the checksums right again, so that what was forged is believed."""
    for chunk in chunks_of(bytes(data)):
        if chunk.end - chunk.start >= 12:
            total = zlib.crc32(data[chunk.start + 4 : chunk.end - 4])
            data[chunk.end - 4 : chunk.end] = total.to_bytes(4, "big")


def _png_of(data: bytes, width: int, height: int) -> bytes:
    forged = bytearray(data)
    forged[16:24] = struct.pack(">II", width, height)
    mend_png_sums(forged)
    return bytes(forged)


@cache
def png_bomb(width: int, height: int) -> bytes:
    """Return a grey PNG of few bytes, sound in every way, of so many pixels."""
    rows = zlib.compress(bytes((1 + width) * height), 1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", rows),
        (b"IEND", b""),
    )
    framed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def _png_text_bomb(data: bytes) -> bytes:
    """A compressed comment of 64 MiB."""
    body = b"Comment\0\0" + zlib.compress(bytes(64 << 20), 1)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + body))
    return data[:33] + chunk + data[33:]


def _jpeg_of(data: bytes, width: int, height: int) -> bytes:
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def _tiff_of(data: bytes, width: int, height: int) -> bytes:
    forged = bytearray(data)
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    for at in range(first + 2, first + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", data, at)
        if tag in (256, 257):
            struct.pack_into("<HII", forged, at + 2, 4, 1, (width, height)[tag - 256])
    return bytes(forged)


def _ispe_of(data: bytes, width: int, height: int) -> bytes:
    at = data.find(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def _exr_of(data: bytes, width: int, height: int) -> bytes:
    forged = bytearray(data)
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        at = data.find(name) + len(name) + 4
        struct.pack_into("<iiii", forged, at, 0, 0, width - 1, height - 1)
    return bytes(forged)


def _with(offset: int, field: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:offset] + field + data[offset + len(field) :]


def _wav_of(channels: int, rate_hz: int, data_bytes: int) -> Callable[[bytes], bytes]:
    def forge(data: bytes) -> bytes:
        forged = bytearray(data)
        struct.pack_into("<HI", forged, 22, channels, rate_hz)
        at = data.find(b"data")
        struct.pack_into("<I", forged, at + 4, data_bytes)
        return bytes(forged)

    return forge


def _sized(
    forge: Callable[[bytes, int, int], bytes], *sizes: tuple[int, int]
) -> tuple[Callable[[bytes], bytes], ...]:
    def one(width: int, height: int) -> Callable[[bytes], bytes]:
        return lambda data: forge(data, width, height)

    return tuple(one(*size) for size in sizes)


_SIZES = ((65_500, 65_500), (65_535, 1), (14_000, 14_000), (2**31 - 1, 2**31 - 1), (0, 0))
_JPEG_SIZES = ((65_500, 65_500), (65_535, 65_535), (14_000, 14_000), (0, 0))
_FLAC_LENGTH = struct.pack(">Q", (16_000 << 44) | (1 << 41) | (15 << 36) | (2**36 - 1))
BOMBS: dict[str, tuple[Callable[[bytes], bytes], ...]] = {
    "png": (*_sized(_png_of, *_SIZES), _png_text_bomb, lambda _: png_bomb(15_000, 15_000)),
    "apng": _sized(_png_of, *_SIZES),
    "jpeg": _sized(_jpeg_of, *_JPEG_SIZES),
    "jpeg-progressive": _sized(_jpeg_of, *_JPEG_SIZES),
    "tiff": _sized(_tiff_of, *_SIZES),
    "tiff-tiled": _sized(_tiff_of, *_SIZES),
    "heic": _sized(_ispe_of, *_SIZES),
    "avif": _sized(_ispe_of, *_SIZES),
    "exr": _sized(_exr_of, *_SIZES, (-5, 7)),
    "wav": (
        _wav_of(2, 16_000, 0xFFFFFFF0),
        _wav_of(65_535, 16_000, 48_000),
        _wav_of(2, 0xFFFFFFFF, 48_000),
        _wav_of(0, 0, 0),
    ),
    "flac": (_with(18, _FLAC_LENGTH),),
    "cube": (
        lambda _: b"LUT_3D_SIZE 256\n" + b"0 0 0\n" * 9,
        lambda _: b"LUT_3D_SIZE 4294967295\n0 0 0\n",
        lambda _: b"LUT_1D_SIZE 65536\n" + b"1e999999999 0 0\n" * 65_536,
    ),
    "3dl": (
        lambda _: (" ".join(map(str, range(0, 1024, 4))) + "\n").encode() + b"0 0 0\n" * 9,
        lambda _: b"0 1 2 3\n" + b"9" * 100_000 + b" 0 0\n" + b"0 0 0\n" * 63,
    ),
    "csp": (
        lambda _: b"CSPLUTV100\n3D\n\n999999999\n0 1\n0 1\n",
        lambda _: b"CSPLUTV100\n1D\n\n" + b"2\n0 1\n0 1\n" * 3 + b"99999999\n0 0 0\n",
    ),
}
