"""How an asset comes into the store and leaves it: each step safe to be the last one.

Whoever stops between two steps (a crash, a full disk, an interrupt) leaves one of these states.
None of them is a wrong answer to a reader, and :mod:`resources.artifact_sweep` clears them:

====================================================  =============================================
entering: after this step                             a reader, and what is left over
====================================================  =============================================
the file is written to ``incoming/``                  sees nothing; the file
``refs/<sha256>/<id>``, the mark, is written          sees nothing; the file, the mark
the file is flushed, and renamed to ``blobs/``        sees nothing; the mark, and a blob by it
``incoming/…`` is renamed to ``assets/<id>.json``     sees the whole asset; nothing
====================================================  =============================================

A blob is renamed when it is whole and on the disk, so neither a reader nor a power cut ever finds
half of one under its hash. The mark comes before the look at the blob: a deletion at the same time
either sees the mark, or has moved the blob away already and it is written anew.

====================================================  =============================================
leaving: after this step                              a reader, and what is left over
====================================================  =============================================
the record is removed                                 sees nothing; the mark and the blob
the mark is removed                                   sees nothing; the blob, if no mark is left
the blob is moved to ``incoming/aside-<sha256>-…``    sees nothing; that file. If a mark has come
                                                      since: the asset without its bytes, until the
                                                      sweep puts them back
the moved file is removed                             sees nothing; nothing
====================================================  =============================================
"""

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from resources.artifact_layout import StoreLayout

ASIDE_PREFIX = "aside-"


def enter(layout: StoreLayout, record: dict[str, Any], incoming: str) -> bool:
    """Make a finished file in ``incoming`` an asset, wholly or not at all.

    Args:
        layout: The store.
        record: The asset's record, with its ``id`` and ``sha256``; no asset has that id yet.
        incoming: The file; it is gone afterwards.

    Returns:
        Whether the bytes are new to the store.

    Raises:
        OSError: A step failed; what the steps before it did is undone.
    """
    fs, sha256 = layout.fs, record["sha256"]
    draft = layout.new_incoming()
    try:
        mark = layout.mark(sha256, record["id"])
        fs.makedirs(layout.marks(sha256), exist_ok=True)
        fs.pipe_file(mark, b"")
        is_new = not fs.exists(layout.blob(sha256))
        if is_new:
            _move_in(layout, incoming, layout.blob(sha256))
        else:
            fs.rm_file(incoming)
        fs.pipe_file(draft, json.dumps(record).encode())
        layout.move(draft, layout.record(record["id"]))
    except BaseException:
        undo: list[Callable[[], object]] = [
            *(partial(fs.rm_file, path) for path in (draft, incoming)),
            partial(leave, layout, record["id"], sha256),
        ]
        for step in undo:
            with suppress(OSError):
                step()
        raise
    return is_new


def leave(layout: StoreLayout, asset_id: str, sha256: str) -> bool:
    """Remove an asset's record and mark, and its bytes if no other asset shares them.

    Returns:
        Whether the bytes are gone.
    """
    for path in (layout.record(asset_id), layout.mark(sha256, asset_id)):
        with suppress(FileNotFoundError):
            layout.fs.rm_file(path)
    return drop_if_unshared(layout, sha256)


def drop_if_unshared(layout: StoreLayout, sha256: str) -> bool:
    """Remove a blob that no mark needs; return whether it is gone."""
    blob = layout.blob(sha256)
    if layout.is_marked(sha256):
        return False
    aside = f"{layout.folder('incoming')}/{ASIDE_PREFIX}{sha256}-{secrets.token_hex(4)}"
    try:
        layout.move(blob, aside)
        return not put_back_if_needed(layout, sha256, aside)
    except FileNotFoundError:  # another deletion, or the sweep, was faster
        return False


def put_back_if_needed(layout: StoreLayout, sha256: str, aside: str) -> bool:
    """Settle a blob that was moved aside; return whether it was put back."""
    if layout.is_marked(sha256) and not layout.fs.exists(layout.blob(sha256)):
        layout.move(aside, layout.blob(sha256))
        return True
    layout.fs.rm_file(aside)
    return False


def remove_leftovers(layout: StoreLayout) -> None:
    """Remove what an earlier attempt at this run, whose worker died, left in the making."""
    assert layout.run_id is not None
    for path in layout.fs.glob(f"{layout.folder('incoming')}/{layout.incoming_prefix}*"):
        with suppress(FileNotFoundError):
            layout.fs.rm(path, recursive=True)


def new_id(run_id: str | None, sha256: str, filename: str | None) -> str:
    """Return the id of a new asset: random for an upload, derived for a run's result.

    A run that is done again makes the same files and so finds the ids that it gave them before
    (docs/decisions/0011-derived-asset-ids.md).
    """
    if run_id is None:
        return f"ast_{secrets.token_hex(12)}"
    source = "\0".join((run_id, sha256, filename or ""))
    return f"ast_{hashlib.sha256(source.encode()).hexdigest()[:24]}"


def _move_in(layout: StoreLayout, incoming: str, blob: str) -> None:
    if layout.is_local:
        _flush_to_disk(incoming)
    layout.fs.makedirs(blob.rsplit("/", 1)[0], exist_ok=True)
    layout.move(incoming, blob)


def _flush_to_disk(path: str) -> None:
    """Wait until a file's bytes are on the disk, in a way that an interrupt can end."""

    def flush() -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    pool = ThreadPoolExecutor(max_workers=1)
    try:
        pool.submit(flush).result()
    finally:
        pool.shutdown(wait=False)
