"""A few frames' worth of memory that two processes share: one fills it, the other empties it."""

import fcntl
import mmap
import os

import numpy as np

from studio_pipelines.media.video import VideoPixels

SLOTS = 4
"""Enough for a decoder to be ahead while a frame is worked on, however long the video is."""

_SIZE_SEALS = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK


class FrameRing:
    """Slots of equal shape in one shared mapping; a context manager."""

    def __init__(self, fd: int, shape: tuple[int, int, int], dtype: str) -> None:
        """Map a ring.

        Args:
            fd: From :func:`new_ring_file`.
            shape: (height, width, 3) of a frame.
            dtype: ``uint8`` or ``uint16``.
        """
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._slot_bytes = slot_bytes(shape, dtype)
        self._map = mmap.mmap(fd, SLOTS * self._slot_bytes)

    def slot(self, number: int) -> VideoPixels:
        """Return one slot as an array on the shared memory."""
        count = int(np.prod(self._shape))
        start = number * self._slot_bytes
        flat = np.frombuffer(self._map, self._dtype, count, start)
        return flat.reshape(self._shape)


def slot_bytes(shape: tuple[int, int, int], dtype: str) -> int:
    """Return the bytes of one frame."""
    return int(np.prod(shape)) * np.dtype(dtype).itemsize


def new_ring_file(shape: tuple[int, int, int], dtype: str) -> int:
    """Return a memory file for a ring, whose size nobody can change any more.

    Otherwise a process taken over by a hostile file could cut it short, and touching the pages cut
    away would kill the other.
    """
    fd = os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, SLOTS * slot_bytes(shape, dtype))
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SIZE_SEALS)
    return fd
