"""Clearing what processes that were killed left in the store."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from resources.artifact_entry import ASIDE_PREFIX, drop_if_unshared, put_back_if_needed
from resources.artifact_layout import StoreLayout, run_of

ABANDONED_AFTER_S = 3600.0


@dataclass(frozen=True)
class Swept:
    """What a sweep did.

    Attributes:
        unfinished: Files and folders in the making that were removed.
        marks: Marks of assets that have no record, removed.
        blobs: Blobs that no asset needs, removed.
        put_back: Blobs that a deletion had moved aside and an asset needs, put back.
    """

    unfinished: int
    marks: int
    blobs: int
    put_back: int


def sweep(
    layout: StoreLayout,
    *,
    run_goes_on: Callable[[str], bool],
    abandoned_after_s: float = ABANDONED_AFTER_S,
) -> Swept:
    """Bring the store back to records, their marks and their blobs, and nothing else.

    Safe beside any number of writers and other sweeps: what was touched within
    ``abandoned_after_s`` may still be in the making and is left alone.

    Args:
        layout: The store.
        run_goes_on: Whether a run, by its id, has not ended: what it makes is its own.
        abandoned_after_s: Age from which a file belongs to nobody.
    """
    before_s = time.time() - abandoned_after_s
    put_back, unfinished = _sweep_incoming(layout, before_s, run_goes_on)
    marks = _sweep_marks(layout, before_s)
    blobs = sum(drop_if_unshared(layout, sha256) for sha256 in list(_unmarked(layout)))
    return Swept(unfinished, marks, blobs, put_back)


def _sweep_incoming(
    layout: StoreLayout, before_s: float, run_goes_on: Callable[[str], bool]
) -> tuple[int, int]:
    put_back = unfinished = 0
    for path in layout.fs.ls(layout.folder("incoming"), detail=False):
        name = path.rsplit("/", 1)[-1]
        run_id = run_of(name)
        if not _is_older(layout, path, before_s) or (run_id and run_goes_on(run_id)):
            continue
        with suppress(FileNotFoundError):  # its owner was faster
            if name.startswith(ASIDE_PREFIX):
                sha256 = name[len(ASIDE_PREFIX) :].partition("-")[0]
                put_back += put_back_if_needed(layout, sha256, path)
            else:
                layout.fs.rm(path, recursive=True)
                unfinished += 1
    return put_back, unfinished


def _sweep_marks(layout: StoreLayout, before_s: float) -> int:
    removed = 0
    for path in layout.fs.find(layout.folder("refs")):
        asset_id = path.rsplit("/", 1)[-1]
        # The age first: a record that is not there yet may come while this looks.
        if _is_older(layout, path, before_s) and not layout.fs.exists(layout.record(asset_id)):
            with suppress(FileNotFoundError):
                layout.fs.rm_file(path)
                removed += 1
    return removed


def _unmarked(layout: StoreLayout) -> Iterator[str]:
    for path in layout.fs.find(layout.folder("blobs")):
        sha256 = path.rsplit("/", 1)[-1]
        if not layout.is_marked(sha256):
            yield sha256


def _is_older(layout: StoreLayout, path: str, before_s: float) -> bool:
    """Whether a file, or everything in a folder, was last touched before a Unix time."""
    paths = [path, *layout.fs.find(path, withdirs=True)]
    times_s: list[float] = []
    for one in paths:
        with suppress(FileNotFoundError):
            times_s.append(layout.touched_at_s(one))
    return bool(times_s) and max(times_s) < before_s
