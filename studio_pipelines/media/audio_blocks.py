"""Walk through a programme that may be an hour long without keeping it in memory.

Decoded sound and scratch copies are mapped files. A page that was read counts as this process's
until it is given back, so an hour of music would be; here each block's pages go when the next
block is asked for.
"""

import mmap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
ReportShare = Callable[[float], None]
BLOCK_FRAMES = 1 << 16


def blocks_of(samples: Samples, report_share: ReportShare | None = None) -> Iterator[Samples]:
    """Cut a programme into blocks, uncopied.

    Args:
        samples: (frames, channels) float32. Of a map that is private to this process nothing may
            have been changed: changes go with the pages.
        report_share: Called with the share done, 0 to 1, before each block; may raise to cancel.
    """
    mapping = _mapping_of(samples)
    for start in range(0, len(samples), BLOCK_FRAMES):
        if report_share:
            report_share(start / len(samples))
        block = samples[start : start + BLOCK_FRAMES]
        yield block
        if mapping is not None:
            _give_back(block, *mapping)


def scratch_copy(blocks: Iterable[Samples], channels: int, folder: Path | None) -> Samples:
    """Write blocks one after the other to an unlinked file and map it, to be changed in place.

    Args:
        blocks: (frames, channels) float32 each.
        channels: Number of channels.
        folder: Where the file lies; None is the system's folder for temporary files.
    """
    with TemporaryFile(dir=folder) as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)
        file.flush()
        return np.memmap(file, np.float32, "r+").reshape(-1, channels)


def _mapping_of(samples: Samples) -> tuple[mmap.mmap, int] | None:
    """Find the map that an array lies in, and the address that it begins at."""
    array: NDArray[Any] = samples
    while isinstance(array.base, np.ndarray):
        array = array.base
    owner: Any = array.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    return (owner, array.ctypes.data) if isinstance(owner, mmap.mmap) else None


def _give_back(block: Samples, mapping: mmap.mmap, address: int) -> None:
    start, stop = (
        at // mmap.PAGESIZE * mmap.PAGESIZE
        for at in (block.ctypes.data - address, block.ctypes.data - address + block.nbytes)
    )
    if stop > start:
        mapping.madvise(mmap.MADV_DONTNEED, start, stop - start)
