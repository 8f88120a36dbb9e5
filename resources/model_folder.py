"""A model on the disk: its files, and the lock that says what they are."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from resources.model_declaration import LOCK_NAME, ModelDeclaration, tree_sha256

READ_BYTES = 1 << 20


class ModelState(StrEnum):
    """Whether a model can be loaded."""

    ABSENT = "absent"
    ON_DISK = "on_disk"
    DAMAGED = "damaged"


class LockedFile(BaseModel):
    """One file as it was checked.

    Attributes:
        sha256: Its hash.
        size_bytes: Its size.
        mtime_ns: When it was changed last, for a file in a folder of the user's; else 0.
    """

    model_config = ConfigDict(frozen=True)

    sha256: str
    size_bytes: int
    mtime_ns: int = 0


class ModelLock(BaseModel):
    """What a pull fetched and made; later pulls must fetch the same.

    Attributes:
        name: The model.
        version: Its version.
        resolved: The revision of each source, by the source.
        fetched: Hash of each declared file, by its path, before any conversion.
        files: Every file of the folder, by its path.
        pulled_at: When, as ISO 8601 in UTC.
        verified_at: When the files were read again last.
        damaged: Files that were found to differ then.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    resolved: dict[str, str]
    fetched: dict[str, str]
    files: dict[str, LockedFile]
    pulled_at: str
    verified_at: str
    damaged: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of all files."""
        return tree_sha256({path: file.sha256 for path, file in self.files.items()})

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.size_bytes for file in self.files.values())

    def write(self, folder: Path) -> None:
        """Put it into a model's folder, whole or not at all."""
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{LOCK_NAME}-")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(self.model_dump_json(indent=2))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(folder / LOCK_NAME)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def read_lock(folder: Path) -> ModelLock | None:
    """Return a model folder's lock, or None where there is none that can be read."""
    path = folder / LOCK_NAME
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _parsed(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=256)
def _parsed(path: Path, _mtime_ns: int, _size_bytes: int, _inode: int) -> ModelLock | None:
    try:
        return ModelLock.model_validate_json(path.read_bytes())
    except (ValidationError, FileNotFoundError):
        return None


@dataclass(frozen=True)
class InstalledModel:
    """A model that is on the disk, whole.

    Attributes:
        declaration: What it is.
        folder: Its files.
        lock: What they were when they were checked last.
    """

    declaration: ModelDeclaration
    folder: Path
    lock: ModelLock

    @property
    def name(self) -> str:
        """Its name."""
        return self.declaration.name

    @property
    def sha256(self) -> str:
        """Hash of all its files: what the model cache knows it by."""
        return self.lock.sha256

    def path(self, name: str) -> Path:
        """Return the path of one of its files.

        Raises:
            KeyError: The model has no such file.
        """
        if name not in self.lock.files:
            raise KeyError(f"{self.name} has no file {name!r}; it has {sorted(self.lock.files)}")
        return self.folder / name


def missing_or_changed(folder: Path, lock: ModelLock) -> list[str]:
    """Return the files that a look at the folder, without reading them, shows to differ."""
    return [path for path, file in lock.files.items() if not _looks_right(folder / path, file)]


def _looks_right(path: Path, file: LockedFile) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    touched = file.mtime_ns and stat.st_mtime_ns != file.mtime_ns
    return stat.st_size == file.size_bytes and not touched


def file_sha256(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
