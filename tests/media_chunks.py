"""The chunks, boxes and pages that media files are made of."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass


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
