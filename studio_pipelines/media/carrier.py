"""The memory in which decoded pixels and samples pass from one process to another, uncopied.

A carrier is an anonymous memory file, or an unlinked scratch file for what is too large to pin in
memory. The helper writes it; afterwards it is sealed, so that a helper taken over by a hostile file
can neither change checked data nor cut the file short (touching pages cut away raises SIGBUS).
"""

import fcntl
import mmap
import os
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

_ALL_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class Carrier:
    """One file that is written by the helper and mapped by its client; a context manager."""

    def __init__(self, *, expected_bytes: int, in_memory_bytes: int, scratch_dir: Path) -> None:
        """Create an empty carrier.

        Args:
            expected_bytes: How much is likely to be written.
            in_memory_bytes: Above this the carrier is a file in ``scratch_dir``.
            scratch_dir: An existing folder on a disk with room.
        """
        if expected_bytes <= in_memory_bytes:
            self.fd = os.memfd_create("decoded", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        else:
            with tempfile.TemporaryFile(dir=scratch_dir) as file:
                self.fd = os.dup(file.fileno())

    def __enter__(self) -> "Carrier":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def seal(self) -> bool:
        """Forbid any further change.

        Returns:
            False where that is impossible (a scratch file, or a writer that keeps it mapped):
            then its writer has to end before the carrier can be relied on.
        """
        try:
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, _ALL_SEALS)
        except OSError:
            return False
        return True

    def map(self, shape: tuple[int, ...], dtype: str) -> npt.NDArray[np.generic] | None:
        """Map the carrier as an array; writing to it changes private pages only.

        Returns:
            An array of that shape and type, or None where the carrier holds another number of
            bytes.
        """
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if os.fstat(self.fd).st_size != size or size == 0:
            return None
        mapping = mmap.mmap(
            self.fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE
        )
        return np.frombuffer(mapping, dtype=dtype).reshape(shape)
