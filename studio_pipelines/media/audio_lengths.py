"""How much sound a file's own headers promise, to tell a cut-off file from a short one."""

import os
import struct
from typing import BinaryIO

_STREAMED_SIZES = frozenset((0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000))
"""What programs write for the size of a WAV that they cannot seek back in."""
_OGG_PAGE_BYTES = 65_307
_OGG_HEADER_BYTES = 27
_OGG_END_OF_STREAM = 4


def missing_chunk_bytes(file: BinaryIO) -> int:
    """How many bytes of its sound chunk a WAV, RF64 or AIFF file lacks.

    Args:
        file: The file; its position is left where it was found.

    Returns:
        0 where the file is complete, where a streaming writer left the size open, or where no
        sound chunk is found (the decoder has its say about that).
    """
    fd = file.fileno()
    file_bytes = os.fstat(fd).st_size
    form = os.pread(fd, 12, 0)
    is_aiff = form[:4] == b"FORM"
    order, wanted = (">", b"SSND") if is_aiff else ("<", b"data")
    long_data_bytes: int | None = None
    at = 12
    while len(header := os.pread(fd, 8, at)) == 8:
        name, size = struct.unpack(f"{order}4sI", header)
        if name == b"ds64":  # EBU Tech 3306: the data size stands after the RIFF size
            field = os.pread(fd, 8, at + 16)
            long_data_bytes = int.from_bytes(field, "little")
        if name == wanted:
            if size == 0xFFFFFFFF and long_data_bytes:
                size = long_data_bytes
            elif size in _STREAMED_SIZES:
                return 0
            return max(at + 8 + size - file_bytes, 0)
        at += 8 + size + size % 2
    return 0


def ogg_has_end(file: BinaryIO) -> bool:
    """Whether an Ogg file's last page is whole and closes its stream (RFC 3533, section 6)."""
    fd = file.fileno()
    size = os.fstat(fd).st_size
    tail = os.pread(fd, _OGG_PAGE_BYTES, max(size - _OGG_PAGE_BYTES, 0))
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if len(page) < _OGG_HEADER_BYTES or not page[5] & _OGG_END_OF_STREAM:
        return False
    body_at = _OGG_HEADER_BYTES + page[_OGG_HEADER_BYTES - 1]
    return len(page) >= body_at + sum(page[_OGG_HEADER_BYTES:body_at])


def mp3_states_length(file: BinaryIO) -> bool:
    """Whether an MP3 file's first frame is a Xing or Info header, which counts the frames."""
    fd = file.fileno()
    head = os.pread(fd, 10, 0)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:  # ID3v2, 3.1: the size has seven bits a byte
        start = 10 + sum(
            (byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)
        )
    first_frame = os.pread(fd, 256, start)
    return b"Xing" in first_frame or b"Info" in first_frame
