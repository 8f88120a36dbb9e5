"""Hostile files, made from sound ones: damaged at random, and forged where it hurts.

Which files a seed gives is the same each time (but for the serial number of Ogg, which its writer
draws), so that a file that broke something can be made again.
"""

import random
from collections.abc import Callable, Iterator

from forged_media import BOMBS, mend_png_sums
from media_chunks import Chunk, chunks_of
from seed_media import KINDS, seed

_HUGE = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
_HEAD_BYTES = 512


def mutants(kind: str, count: int, chance_seed: int) -> Iterator[bytes]:
    """Yield hostile files made from the sound file of a kind."""
    # Not of the kind alone: a run of another seed tries other files.
    chance = random.Random(f"{kind} {chance_seed}")
    bombs = BOMBS.get(kind, ())
    for number in range(count):
        data = bytearray(seed(kind))
        if number < len(bombs):
            yield bombs[number](bytes(data))
            continue
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            chance.choice(_WAYS)(data, chance)
        if kind in ("png", "apng") and chance.random() < 0.5:
            mend_png_sums(data)
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
