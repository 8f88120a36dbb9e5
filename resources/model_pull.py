"""Pulling a model: fetched, checked and put on the shelf whole, or not at all.

Everything is made in a scratch folder on the shelf's own disk, and renamed into place as the last
step. A lock per model, which the kernel releases when its process dies, has two pulls at once do
the work once; whatever an earlier pull left in the model's scratch is nobody's, and goes.
"""

import fcntl
import importlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from resources.model_assembly import Assembled, assemble
from resources.model_clients import growing_folder
from resources.model_declaration import NAME, ModelDeclaration
from resources.model_faults import ConversionFailed, DiskFull, disk_faults
from resources.model_folder import (
    InstalledModel,
    LockedFile,
    ModelLock,
    ModelState,
    file_sha256,
    read_lock,
)
from resources.model_shelf import ModelShelf

SCRATCH = ".scratch"
KEEP_FREE_BYTES = 256 << 20

Stage = Literal["waiting", "fetching", "checking", "converting"]


@dataclass(frozen=True)
class Step:
    """Where a pull is.

    Attributes:
        stage: ``waiting`` while another process pulls the model.
        growing: The folders that grow while files are fetched.
    """

    stage: Stage
    growing: tuple[Path, ...] = ()


def pull(
    shelf: ModelShelf, declaration: ModelDeclaration, on_step: Callable[[Step], None]
) -> InstalledModel:
    """Put a model on the shelf; one that is there, whole, is left alone.

    Args:
        shelf: Where to.
        declaration: The model.
        on_step: Told of each stage as it begins.

    Raises:
        LicenceRefused: The shelf's policy does not admit it.
        PullFailed: It could not be had; the shelf is as it was.
    """
    shelf.require_admitted(declaration)
    with _only_one(shelf, declaration.name, on_step) as scratch:
        if shelf.state(declaration) is not ModelState.ON_DISK:
            with disk_faults(declaration.name):
                require_room(shelf, declaration)
                _pull(shelf, declaration, scratch, on_step)
    found = shelf.installed(declaration.name)
    assert found is not None
    return found


def remove(shelf: ModelShelf, name: str) -> bool:
    """Take a model off the shelf, all its versions; return whether it was there."""
    if not re.fullmatch(NAME, name) or not (shelf.folder / name).is_dir():
        return False
    with _only_one(shelf, name, lambda _step: None) as scratch:
        try:
            # Renamed first: readers see the model whole or not at all.
            (shelf.folder / name).rename(scratch / "removed")
        except FileNotFoundError:
            return False
    return True


def unused_folders(shelf: ModelShelf) -> list[str]:
    """Return the folders, below the shelf's own, that no declaration names any more."""
    used = {shelf.folder_of(one) for one in shelf.declarations().values()}
    return sorted(
        folder.relative_to(shelf.folder).as_posix()
        for folder in shelf.folder.glob("*/*")
        if folder.is_dir() and folder.parent.name != SCRATCH and folder not in used
    )


def remove_unused(shelf: ModelShelf) -> list[str]:
    """Remove what no declaration names any more, and return the folders."""
    found = unused_folders(shelf)
    for folder in found:
        with _only_one(shelf, folder.partition("/")[0], lambda _step: None) as scratch:
            (shelf.folder / folder).rename(scratch / "removed")
    return found


def verify(shelf: ModelShelf, declaration: ModelDeclaration) -> tuple[str, ...]:
    """Read a model's files again, record what was found, and return those that differ.

    Raises:
        FileNotFoundError: The model is not on the shelf.
    """
    folder = shelf.folder_of(declaration)
    with _only_one(shelf, declaration.name, lambda _step: None):
        lock = read_lock(folder)
        if lock is None:
            raise FileNotFoundError(declaration.name)
        damaged = tuple(
            path
            for path, file in sorted(lock.files.items())
            if not (folder / path).is_file() or file_sha256(folder / path) != file.sha256
        )
        lock.model_copy(update={"damaged": damaged, "verified_at": _now()}).write(folder)
    return damaged


def require_room(shelf: ModelShelf, declaration: ModelDeclaration) -> None:
    """Make sure that the disk has room for what is declared, fetched and unpacked side by side.

    Raises:
        DiskFull: It has not.
    """
    size_bytes = declaration.size_bytes
    needed_bytes = size_bytes + (declaration.download_bytes or size_bytes) + KEEP_FREE_BYTES
    free_bytes = shutil.disk_usage(shelf.folder).free
    if free_bytes < needed_bytes:
        raise DiskFull(
            f"{declaration.name} needs {needed_bytes:,} bytes on the disk, "
            f"and {free_bytes:,} are free."
        )


@contextmanager
def _only_one(shelf: ModelShelf, name: str, on_step: Callable[[Step], None]) -> Iterator[Path]:
    """Hold a model's lock, and give a scratch folder that is gone afterwards."""
    scratch = shelf.folder / SCRATCH / name
    scratch.mkdir(parents=True, exist_ok=True)
    with (shelf.folder / SCRATCH / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_step(Step("waiting"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _clear(scratch)
            yield Path(tempfile.mkdtemp(dir=scratch))
        finally:
            _clear(scratch)


def _clear(scratch: Path) -> None:
    for left in scratch.iterdir():
        shutil.rmtree(left, ignore_errors=True)


def _pull(
    shelf: ModelShelf,
    declaration: ModelDeclaration,
    scratch: Path,
    on_step: Callable[[Step], None],
) -> None:
    place = shelf.folder_of(declaration)
    known = read_lock(place)
    made = scratch / "model"
    made.mkdir()
    origins = {declaration.origin_of(file) for file in declaration.files}
    on_step(Step("fetching", tuple({growing_folder(one, scratch) for one in origins})))
    assembled = assemble(declaration, known, scratch, made, lambda: on_step(Step("checking")))
    if declaration.convert:
        on_step(Step("converting"))
        made = _converted(declaration.convert, made, scratch / "converted")
        assembled = Assembled(assembled.fetched, assembled.resolved, _hashed(made))
    _flush(made)
    now = _now()
    lock = ModelLock(
        name=declaration.name,
        version=declaration.version,
        resolved=dict(assembled.resolved),
        fetched=dict(assembled.fetched),
        files=dict(assembled.files),
        pulled_at=now,
        verified_at=now,
    )
    lock.write(made)
    _put(made, place, scratch)


def _converted(convert: str, source: Path, target: Path) -> Path:
    module, _, function = convert.partition(":")
    target.mkdir()
    try:
        getattr(importlib.import_module(module), function)(source, target)
    except Exception as error:  # other models are pulled all the same
        raise ConversionFailed(f"{convert}: {type(error).__name__}: {error}") from error
    if not any(target.iterdir()):
        raise ConversionFailed(f"{convert} made no file.")
    return target


def _hashed(folder: Path) -> Mapping[str, LockedFile]:
    return {
        path.relative_to(folder).as_posix(): LockedFile(
            sha256=file_sha256(path), size_bytes=path.stat().st_size
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def _flush(folder: Path) -> None:
    """Have the kernel write everything to the disk, so that a power cut leaves no empty file."""
    for path in (*folder.rglob("*"), folder):
        if path.is_symlink():
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _put(made: Path, place: Path, scratch: Path) -> None:
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(scratch / "replaced")
    made.rename(place)
    _flush(place.parent)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
