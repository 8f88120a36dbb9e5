"""Where a store keeps what, on any fsspec file system."""

import dataclasses
import json
import secrets
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

FOLDERS = ("blobs", "assets", "refs", "incoming")
_RUN_PREFIX = "run-"
_RUN_ID_LENGTH = 36


@dataclasses.dataclass(frozen=True)
class StoreLayout:
    """The paths of a store, and the few things that are done to them as such.

    Attributes:
        fs: The file system.
        root: The store's folder there.
        run_id: The Dagster run that this process works for, or None; what is in the making for it
            carries its name, so that it can be told from what others make.
    """

    fs: fsspec.AbstractFileSystem
    root: str
    run_id: str | None = None

    @cached_property
    def is_local(self) -> bool:
        """Whether paths here are paths of this machine."""
        return isinstance(self.fs, LocalFileSystem)

    def create(self) -> None:
        """Make the folders of an empty store."""
        for folder in FOLDERS:
            self.fs.makedirs(self.folder(folder), exist_ok=True)

    def exists(self) -> bool:
        """Whether the folders are there; object storage has none and needs none."""
        return not self.is_local or all(self.fs.isdir(self.folder(name)) for name in FOLDERS)

    def folder(self, name: str) -> str:
        """Return one of the four folders."""
        return f"{self.root}/{name}"

    def blob(self, sha256: str) -> str:
        """Return where bytes lie."""
        return f"{self.root}/blobs/{sha256[:2]}/{sha256}"

    def record(self, asset_id: str) -> str:
        """Return where an asset's record lies."""
        return f"{self.root}/assets/{asset_id}.json"

    def marks(self, sha256: str) -> str:
        """Return the folder of the marks of those who need a blob."""
        return f"{self.root}/refs/{sha256}"

    def mark(self, sha256: str, asset_id: str) -> str:
        """Return the mark of one of them."""
        return f"{self.marks(sha256)}/{asset_id}"

    def move(self, source: str, target: str) -> None:
        """Rename a file; a local file system does it at a stroke, or not at all."""
        if self.is_local:
            # Not fsspec's, which copies where renaming fails, and then a half file can be seen.
            Path(source).replace(target)
        else:
            self.fs.mv(source, target)

    def touched_at_s(self, path: str) -> float:
        """Return when a file was written or moved last, in Unix time."""
        if self.is_local:
            return Path(path).lstat().st_ctime  # unlike st_mtime, renaming sets it
        return self.fs.modified(path).timestamp()

    @property
    def incoming_prefix(self) -> str:
        """Begin the name of what is in the making for this run, or for a request."""
        return "" if self.run_id is None else f"{_RUN_PREFIX}{self.run_id}-"

    def new_incoming(self) -> str:
        """Name a file that is about to be made."""
        return f"{self.root}/incoming/{self.incoming_prefix}{secrets.token_hex(12)}"

    def is_marked(self, sha256: str) -> bool:
        """Whether any asset needs these bytes."""
        try:
            return bool(self.fs.ls(self.marks(sha256), detail=False))
        except FileNotFoundError:
            return False

    def read_record(self, asset_id: str) -> dict[str, Any] | None:
        """Return an asset's record, or None where there is none (or a power cut left it empty)."""
        try:
            return json.loads(self.fs.cat_file(self.record(asset_id)))
        except (FileNotFoundError, json.JSONDecodeError):
            return None


def run_of(incoming_name: str) -> str | None:
    """Return the run that a file or folder in ``incoming`` is made for, or None for a request's."""
    if not incoming_name.startswith(_RUN_PREFIX):
        return None
    return incoming_name[len(_RUN_PREFIX) :][:_RUN_ID_LENGTH]
