"""Carry EXIF through an edit: read it, drop what the edit makes untrue, write it again.

The structure is TIFF 6.0, section 2, and the tags are CIPA DC-008 (EXIF 2.32), section 4.6. The
embedded thumbnail is left out because it would go on showing the unedited picture; the orientation
because decoded pixels are upright.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

_EXIF_POINTER, _GPS_POINTER = 0x8769, 0x8825
_FOCAL_LENGTH_35MM, _SHORT = 0xA405, 3
_DESCRIPTIVE_TAGS = frozenset(
    (
        *(0x010E, 0x010F, 0x0110),  # description, make, model
        *(0x0131, 0x0132, 0x013B, 0x013C, 0x8298),  # software, time, artist, computer, copyright
        *(0x4746, 0x4749),  # rating
        *range(0x9C9B, 0x9CA0),  # title, comment, author, keywords, subject
    )
)
_UNTRUE_AFTER_AN_EDIT = frozenset((0xA002, 0xA003, 0xA005))  # pixel dimensions, interoperability
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_WORD_SIZES = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8}
_MAX_BLOCK_BYTES = 60_000
"""What one JPEG segment can hold, with room for what a writer adds."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One directory entry; ``value`` is little-endian."""

    tag: int
    type: int
    count: int
    value: bytes


@dataclass(frozen=True, slots=True)
class _Exif:
    """The directories that are carried."""

    main: tuple[_Entry, ...]
    exif: tuple[_Entry, ...]
    gps: tuple[_Entry, ...]


def carried_exif(block: bytes | memoryview) -> bytes | None:
    r"""Rewrite an EXIF block, or the directories of a classic TIFF file, for an edited picture.

    Args:
        block: An EXIF block with or without its ``Exif\0\0`` prefix, or a whole TIFF file. It
            may be damaged: entries that point outside it are left out.

    Returns:
        A little-endian block of at most 60 000 bytes, or None where nothing is left to carry.
    """
    if block[:6] == b"Exif\x00\x00":
        block = block[6:]
    found = _parse(block)
    if found is None or not (found.main or found.exif or found.gps):
        return None
    header = struct.pack("<2sHI", b"II", 42, 8)
    rewritten = header + _serialise(found, (), offset=8)
    return rewritten if len(rewritten) <= _MAX_BLOCK_BYTES else None


def focal_length_35mm(block: bytes) -> float | None:
    """Return the focal length in millimetres on 35 mm film (tag 0xA405) of an EXIF block.

    Args:
        block: From :func:`carried_exif`.

    Returns:
        None where it is not told: 0 stands for unknown.
    """
    found = _parse(block)
    for entry in found.exif if found is not None else ():
        if entry.tag == _FOCAL_LENGTH_35MM and entry.type == _SHORT:
            return float(int.from_bytes(entry.value[:2], "little")) or None
    return None


def graft_exif(file: BinaryIO, exif: bytes) -> None:
    """Add an EXIF block to a finished little-endian classic TIFF file, in place.

    Args:
        file: The TIFF file, open for reading and writing.
        exif: A block from :func:`carried_exif`.
    """
    found = _parse(exif)
    file.seek(0)
    order, version, first = struct.unpack("<2sHI", file.read(8))
    if found is None or order != b"II" or version != 42:
        return
    file.seek(first)
    (count,) = struct.unpack("<H", file.read(2))
    directory = file.read(count * 12)
    own = tuple(directory[at : at + 12] for at in range(0, len(directory), 12))
    (following,) = struct.unpack("<I", file.read(4))
    file.seek(0, 2)
    offset = file.tell() + file.tell() % 2
    file.write(b"\x00" * (offset - file.tell()))
    file.write(_serialise(found, own, offset=offset, following=following))
    file.seek(4)
    file.write(struct.pack("<I", offset))


def _parse(block: bytes | memoryview) -> _Exif | None:
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None or len(block) < 8:
        return None
    version, first = struct.unpack(f"{order}HI", block[2:8])
    if version != 42:
        return None
    main = _read_directory(block, first, order)
    return _Exif(
        main=tuple(main[tag] for tag in sorted(main.keys() & _DESCRIPTIVE_TAGS)),
        exif=_subdirectory(block, main.get(_EXIF_POINTER), order),
        gps=_subdirectory(block, main.get(_GPS_POINTER), order),
    )


def _subdirectory(
    block: bytes | memoryview, pointer: _Entry | None, order: str
) -> tuple[_Entry, ...]:
    if pointer is None or len(pointer.value) != 4:
        return ()
    entries = _read_directory(block, int.from_bytes(pointer.value, "little"), order)
    return tuple(entries[tag] for tag in sorted(entries.keys() - _UNTRUE_AFTER_AN_EDIT))


def _read_directory(block: bytes | memoryview, offset: int, order: str) -> dict[int, _Entry]:
    entries: dict[int, _Entry] = {}
    if offset + 2 > len(block):
        return entries
    (count,) = struct.unpack_from(f"{order}H", block, offset)
    available = (len(block) - offset - 2) // 12
    for index in range(min(count, available)):
        at = offset + 2 + 12 * index
        tag, kind, length = struct.unpack_from(f"{order}HHI", block, at)
        size = _TYPE_SIZES.get(kind, 0) * length
        if size > 4:
            (at,) = struct.unpack_from(f"{order}I", block, at + 8)
        else:
            at += 8
        if 0 < size <= _MAX_BLOCK_BYTES and at + size <= len(block):
            value = _little_endian(bytes(block[at : at + size]), kind, order)
            entries[tag] = _Entry(tag, kind, length, value)
    return entries


def _little_endian(value: bytes, kind: int, order: str) -> bytes:
    word = _WORD_SIZES.get(kind, 1)
    if order == "<" or word == 1:
        return value
    return b"".join(value[at : at + word][::-1] for at in range(0, len(value), word))


def _serialise(found: _Exif, own: tuple[bytes, ...], *, offset: int, following: int = 0) -> bytes:
    """Lay out the directories from ``offset`` on; ``own`` are finished entries of the host file."""
    taken = {_tag_of(entry) for entry in own}
    main = [entry for entry in found.main if entry.tag not in taken]
    pointers = [(_EXIF_POINTER, found.exif), (_GPS_POINTER, found.gps)]
    pointers = [(tag, entries) for tag, entries in pointers if entries and tag not in taken]
    count = len(own) + len(main) + len(pointers)
    values_at = offset + 2 + 12 * count + 4
    lines, values = _lay_out(main, values_at)
    for tag, entries in pointers:
        at = values_at + len(values)
        lines.append(struct.pack("<HHII", tag, 4, 1, at))
        inner, inner_values = _lay_out(entries, at + 2 + 12 * len(entries) + 4)
        values += struct.pack("<H", len(entries)) + b"".join(inner) + bytes(4) + inner_values
    directory = b"".join(sorted([*own, *lines], key=_tag_of))
    return struct.pack("<H", count) + directory + struct.pack("<I", following) + values


def _lay_out(entries: Iterable[_Entry], values_at: int) -> tuple[list[bytes], bytes]:
    """Return the 12-byte entries and the block of long values, which starts at ``values_at``."""
    lines: list[bytes] = []
    values = b""
    for entry in entries:
        inline = entry.value.ljust(4, b"\x00")
        if len(entry.value) > 4:
            inline = struct.pack("<I", values_at + len(values))
            values += entry.value + b"\x00" * (len(entry.value) % 2)
        lines.append(struct.pack("<HHI", entry.tag, entry.type, entry.count) + inline)
    return lines, values


def _tag_of(line: bytes) -> int:
    return int.from_bytes(line[:2], "little")
