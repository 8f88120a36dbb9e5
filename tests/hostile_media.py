"""Hostile files, made from sound ones: damaged at random, and forged where it hurts.

Which files a seed gives is the same each time (but for the serial number of Ogg, which its writer
draws), so that a file that broke something can be made again.
"""

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from seed_media import KINDS, seed

_HUGE = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
_HEAD_BYTES = 512


@dataclass(frozen=True)
class Chunk:
    """A part of a file that says how long it is: a chunk, a box, a page.

    Attributes:
        start: Where it begins.
        end: Where the next one begins.
        length_at: Where its length stands.
    """

    start: int
    end: int
    length_at: int


def mutants(kind: str, count: int, chance_seed: int) -> Iterator[bytes]:
    """Yield hostile files made from the sound file of a kind."""
    # Not of the kind alone: a run of another seed tries other files.
    chance = random.Random(f"{kind} {chance_seed}")
    bombs = _BOMBS.get(kind, ())
    for number in range(count):
        data = bytearray(seed(kind))
        if number < len(bombs):
            yield bombs[number](bytes(data))
            continue
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            chance.choice(_WAYS)(data, chance)
        if kind in ("png", "apng") and chance.random() < 0.5:
            _mend_png_sums(data)
        yield bytes(data)


def _flip_bits(data: bytearray, chance: random.Random) -> None:
    span = len(data) if chance.random() < 0.5 else min(_HEAD_BYTES, len(data))
    for _ in range(chance.choice((1, 2, 8, 64)) if span else 0):
        data[chance.randrange(span)] ^= 1 << chance.randrange(8)


def _cut_off(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _forge_number(data: bytearray, chance: random.Random) -> None:
    """Write a number of one of the usual widths and byte orders somewhere, mostly in the head."""
    width = chance.choice((1, 2, 4, 4, 8))
    span = len(data) if chance.random() < 0.3 else min(_HEAD_BYTES, len(data))
    if span <= width:
        return
    at = chance.randrange(span - width)
    value = chance.choice((*_HUGE, len(data), len(data) - at, chance.getrandbits(32)))
    order = chance.choice(("little", "big"))
    data[at : at + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, order)


def _forge_length(data: bytearray, chance: random.Random) -> None:
    """Let a chunk say that it is longer, shorter, or endless."""
    chunks = chunks_of(bytes(data))
    if not chunks:
        return _forge_number(data, chance)
    chunk = chance.choice(chunks)
    value = chance.choice((*_HUGE, chance.randrange(1 << 16), chunk.end - chunk.start + 1))
    field = value.to_bytes(8, "big")[-4:]
    data[chunk.length_at : chunk.length_at + 4] = field if chance.random() < 0.5 else field[::-1]
    return None


def _double_chunk(data: bytearray, chance: random.Random) -> None:
    """Put a chunk into the file once more, or very often; where there are none, some bytes."""
    chunks = chunks_of(bytes(data))
    if chunks:
        chunk = chance.choice(chunks)
        part, at = data[chunk.start : chunk.end], chance.choice(chunks).start
    else:
        start = chance.randrange(len(data) + 1)
        part, at = data[start : start + chance.randrange(1, 256)], chance.randrange(len(data) + 1)
    times = 1 if len(part) > 4096 else chance.choice((1, 1, 2, 50))
    data[at:at] = bytes(part) * times


def _drop_chunk(data: bytearray, chance: random.Random) -> None:
    chunks = chunks_of(bytes(data))
    start = chance.randrange(len(data) + 1)
    chunk = chance.choice(chunks) if chunks else Chunk(start, start + 32, start)
    del data[chunk.start : chunk.end]


def _swap_head(data: bytearray, chance: random.Random) -> None:
    """Give the file the beginning of another kind's."""
    length = chance.choice((4, 12, 16, 64, 256))
    data[:length] = seed(chance.choice(KINDS))[:length]


def _splice(data: bytearray, chance: random.Random) -> None:
    """Go on in the middle with another kind's file."""
    other = seed(chance.choice(KINDS))
    data[chance.randrange(len(data) + 1) :] = other[chance.randrange(len(other)) :]


def _overwrite(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data) + 1)
    length = min(chance.choice((4, 32, 256)), len(data) - start)
    data[start : start + length] = chance.choice((bytes, chance.randbytes))(length)


_WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip_bits,
    _flip_bits,
    _cut_off,
    _forge_number,
    _forge_number,
    _forge_length,
    _forge_length,
    _double_chunk,
    _drop_chunk,
    _swap_head,
    _splice,
    _overwrite,
)


def chunks_of(data: bytes) -> list[Chunk]:
    """Return a file's chunks, where its kind has some that say how long they are."""
    if data.startswith(b"\x89PNG"):
        return list(_walk(data, 8, 0, ">I", 12))
    if data[:4] == b"RIFF":
        return list(_walk(data, 12, 4, "<I", 8, even=True))
    if data[:4] == b"FORM":
        return list(_walk(data, 12, 4, ">I", 8, even=True))
    if data[4:8] == b"ftyp":
        return list(_boxes(data, 0, len(data)))
    if data.startswith(b"OggS"):
        starts = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
        return [
            Chunk(start, end, start + 26)
            for start, end in zip(starts, [*starts[1:], len(data)], strict=True)
        ]
    return []


def _walk(
    data: bytes, at: int, length_at: int, form: str, more: int, *, even: bool = False
) -> Iterator[Chunk]:
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(form, data, at + length_at)
        end = at + more + length + (length % 2 if even else 0)
        yield Chunk(at, min(end, len(data)), at + length_at)
        at = end


_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"iprp", b"ipco")


def _boxes(data: bytes, at: int, end: int) -> Iterator[Chunk]:
    """Walk the boxes of ISO/IEC 14496-12, and those within them."""
    while at + 8 <= end:
        (length,) = struct.unpack_from(">I", data, at)
        if length < 8:
            return
        yield Chunk(at, min(at + length, end), at)
        name = data[at + 4 : at + 8]
        if name in _PARENTS or name == b"meta":
            yield from _boxes(data, at + (12 if name == b"meta" else 8), min(at + length, end))
        at += length


def _mend_png_sums(data: bytearray) -> None:
    """Make the checksums right again, so that what was forged is believed."""
    for chunk in chunks_of(bytes(data)):
        if chunk.end - chunk.start >= 12:
            total = zlib.crc32(data[chunk.start + 4 : chunk.end - 4])
            data[chunk.end - 4 : chunk.end] = total.to_bytes(4, "big")


def _png_of(data: bytes, width: int, height: int) -> bytes:
    forged = bytearray(data)
    forged[16:24] = struct.pack(">II", width, height)
    _mend_png_sums(forged)
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
_BOMBS: dict[str, tuple[Callable[[bytes], bytes], ...]] = {
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
