"""What networks have made of pictures, kept on the disk: bounded, and gone without harm."""

import hashlib
import os
import tempfile
import time
from pathlib import Path

import dagster as dg
import structlog

_HASH_BYTES = 32
# A file in the making that is older was left by a process that died.
_LEFT_AFTER_S = 3600.0
_IN_THE_MAKING = ".writing-"
log = structlog.get_logger(__name__)


class EmbeddingCache(dg.ConfigurableResource):
    """Keeps bytes by name; of those that nobody has read for longest it forgets the most.

    Any number of processes may share the folder. What cannot be read, or was cut off, counts as
    not there; what cannot be written is not kept, and the log says so: it can be made again.

    Attributes:
        folder: Where they are kept; made when it is needed.
        limit_bytes: What all of them may take; 0 keeps nothing.
    """

    folder: str
    limit_bytes: int = 2 << 30

    def read(self, name: str) -> bytes | None:
        """Return what is kept under a name, or None."""
        path = Path(self.folder) / name
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        body = data[_HASH_BYTES:]
        return body if hashlib.sha256(body).digest() == data[:_HASH_BYTES] else None

    def write(self, name: str, body: bytes) -> None:
        """Keep bytes under a name, whole or not at all, and forget the oldest beyond the limit.

        Args:
            name: Letters, digits and hyphens, such as the hash of what they were made from.
            body: What to keep; more than the limit is not kept.
        """
        if len(body) + _HASH_BYTES > self.limit_bytes:
            return
        folder = Path(self.folder)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._put(folder, name, body)
            self._forget_oldest(folder)
        except OSError as error:
            log.warning("an embedding was not kept", error=str(error))

    def _put(self, folder: Path, name: str, body: bytes) -> None:
        descriptor, made = tempfile.mkstemp(dir=folder, prefix=_IN_THE_MAKING)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(body).digest())
                file.write(body)
            Path(made).replace(folder / name)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise

    def _forget_oldest(self, folder: Path) -> None:
        kept: list[tuple[float, int, str]] = []
        for entry in os.scandir(folder):
            try:
                stat = entry.stat()
            except FileNotFoundError:  # another process has just forgotten it
                continue
            if not entry.name.startswith(_IN_THE_MAKING):
                kept.append((stat.st_mtime, stat.st_size, entry.path))
            elif time.time() - stat.st_mtime > _LEFT_AFTER_S:
                Path(entry.path).unlink(missing_ok=True)
        surplus = sum(size for _, size, _ in kept) - self.limit_bytes
        for _, size, path in sorted(kept):
            if surplus <= 0:
                return
            Path(path).unlink(missing_ok=True)
            surplus -= size
