"""What of a store has grown old: assets, and files that killed processes left behind."""

import os
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from itertools import chain, islice

import fsspec
import structlog
from fsspec.implementations.local import LocalFileSystem

from resources.artifact import ArtifactNotFound
from resources.artifacts import ArtifactStore

ASSETS_AT_A_TIME = 100
log = structlog.get_logger(__name__)


def delete_old_assets(
    store: ArtifactStore, before: datetime, needed: Container[str] = ()
) -> Iterator[int]:
    """Delete the assets made before a time.

    Args:
        store: The store to clear.
        before: Assets that are older go, whoever may still know their id.
        needed: Ids of those that stay, however old.

    Yields:
        How many were deleted, after each hundred that were looked at: the caller may stop there.
    """
    fs, root = fsspec.url_to_fs(store.url)
    names = (name for name in _names_in(fs, f"{root}/assets") if name.endswith(".json"))
    while some := list(islice(names, ASSETS_AT_A_TIME)):
        ids = (name.removesuffix(".json") for name in some)
        yield sum(_delete_if_old(store, one, before) for one in ids if one not in needed)


def _delete_if_old(store: ArtifactStore, asset_id: str, before: datetime) -> bool:
    try:
        if datetime.fromisoformat(store.get(asset_id).created_at) >= before:
            return False
        store.delete(asset_id)
    except (ArtifactNotFound, FileNotFoundError):  # someone else deletes it
        return False
    except (ValueError, TypeError) as error:
        # A power cut can leave an empty record; the others are not to wait for it.
        log.warning("asset record cannot be read", asset=asset_id, error=str(error))
        return False
    return True


def delete_leftovers(store: ArtifactStore, before: datetime) -> Iterator[int]:
    """Delete files in the making that nobody has written to since a time.

    A process that is killed leaves its half-written files and its scratch folders.

    Yields:
        1 for each deleted file or folder, 0 for each that stays.
    """
    fs, root = fsspec.url_to_fs(store.url)
    in_the_making = (f"{root}/incoming/{name}" for name in _names_in(fs, f"{root}/incoming"))
    records = (f"{root}/assets/{name}" for name in _names_in(fs, f"{root}/assets"))
    parts = (path for path in records if path.endswith(".part"))
    for path in chain(in_the_making, parts):
        yield int(_remove_if_old(fs, path, before))


def _remove_if_old(fs: fsspec.AbstractFileSystem, path: str, before: datetime) -> bool:
    try:
        if _changed_at(fs, path) >= before:
            return False
        fs.rm(path, recursive=True)
    except FileNotFoundError:  # whoever wrote it has just finished
        return False
    return True


def _changed_at(fs: fsspec.AbstractFileSystem, path: str) -> datetime:
    """Return when a file, or anything in a folder, was last written."""
    times = [fs.modified(inside) for inside in fs.find(path, withdirs=True) or [path]]
    return max(time if time.tzinfo else time.replace(tzinfo=UTC) for time in times)


def _names_in(fs: fsspec.AbstractFileSystem, folder: str) -> Iterator[str]:
    """Name what is in a folder; of a local one, however large it is, in little memory."""
    if not isinstance(fs, LocalFileSystem):
        yield from (path.rpartition("/")[2] for path in fs.ls(folder, detail=False))
    elif os.path.isdir(folder):  # noqa: PTH112 - fsspec's paths are strings
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
