"""Writing bytes into the store while hashing them."""

import hashlib
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import fsspec

from resources.quota import DiskQuota
from resources.storage_faults import storage_faults

HASH_BLOCK_BYTES = 1 << 20


class ArtifactWriter:
    """One file on its way into the store; it is gone unless it is kept.

    Attributes:
        size_bytes: Bytes written so far.
        head: The first 4 KiB, from which the kind of media is told.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, path: str, quota: DiskQuota) -> None:
        self._fs = fs
        self._path = path
        self._file = cast(IO[bytes], fs.open(path, "wb"))
        self._digest = hashlib.sha256()
        self._room_bytes = quota.room_bytes()
        self._quota = quota
        self._finished = False
        self.size_bytes = 0
        self.head = b""

    def write(self, chunk: bytes) -> None:
        """Store a chunk.

        Raises:
            DiskQuotaExceeded: The file would not fit, or the disk is full.
            AssetStoreUnavailable: The disk cannot be written to.
        """
        self.size_bytes += len(chunk)
        if self.size_bytes > self._room_bytes:
            self._quota.require(self.size_bytes)
        if len(self.head) < 4096:
            self.head = (self.head + chunk)[:4096]
        self._digest.update(chunk)
        with storage_faults():
            self._file.write(chunk)

    def finish(self) -> tuple[str, str, int]:
        """Close the file and return its path in the store, its SHA-256 and its size in bytes."""
        self._file.close()
        self._finished = True
        return self._path, self._digest.hexdigest(), self.size_bytes

    def drop(self) -> None:
        """Throw the bytes away."""
        if not self._finished:
            self._finished = True
            # Closing writes what is buffered, which a full disk refuses once more.
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):  # the sweep removes what cannot be removed now
                self._fs.rm_file(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop()


def hash_file(path: Path) -> tuple[str, int]:
    """Return the SHA-256 in hex and the size in bytes of a local file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()
