"""How much a store may hold, and whether a file still fits."""

import shutil
import sys
import time
from functools import cache
from typing import cast

import fsspec

from resources.artifact_layout import StoreLayout
from studio_pipelines.errors import StudioError

RECOUNT_AFTER_S = 30.0
# Counting a large store takes seconds; it may take this share of the time at most.
COUNTING_SHARE = 0.01
KEEP_FREE_BYTES = 256 << 20


class DiskQuotaExceeded(StudioError):
    """The store is full: by its quota, or because the disk is."""

    status = 507
    code = "disk_quota_exceeded"
    advice = (
        "A job can meet it in its middle; nothing half-made is kept. Delete assets that are no "
        "longer needed, or raise `STUDIO_ASSET_QUOTA_BYTES`."
    )
    is_of_one_item = False


class DiskQuota:
    """Counts the store's bytes now and then, and adds up what this process writes in between.

    Several processes write to one store, so the count may lag by what they wrote within
    ``RECOUNT_AFTER_S`` (of a large store a hundred times as long as counting takes); the free space
    of a local disk is read each time.
    """

    def __init__(self, layout: StoreLayout, quota_bytes: int, keep_free_bytes: int) -> None:
        self._layout = layout
        self._blobs = layout.folder("blobs")
        self._quota_bytes = quota_bytes
        self._keep_free_bytes = keep_free_bytes
        self._used_bytes = 0
        self._count_again_at_s = float("-inf")

    def room_bytes(self) -> int:
        """Return how many more bytes fit."""
        room_bytes = sys.maxsize
        if self._layout.is_local:
            room_bytes = shutil.disk_usage(self._blobs).free - self._keep_free_bytes
        if self._quota_bytes:
            room_bytes = min(room_bytes, self._quota_bytes - self._counted_bytes())
        return max(0, room_bytes)

    def require(self, size_bytes: int) -> None:
        """Make sure that a file of this size fits.

        Raises:
            DiskQuotaExceeded: It does not.
        """
        room_bytes = self.room_bytes()
        if size_bytes > room_bytes or room_bytes == 0:
            raise DiskQuotaExceeded(
                f"The asset store has {room_bytes:,} bytes left, too few for this file.",
                hint="Delete assets that are no longer needed, or raise STUDIO_ASSET_QUOTA_BYTES.",
            )

    def spend(self, size_bytes: int) -> None:
        """Count bytes that this process added (or, negative, removed)."""
        self._used_bytes += size_bytes

    def _counted_bytes(self) -> int:
        began_s = time.monotonic()
        if began_s > self._count_again_at_s:
            self._used_bytes = cast(int, self._layout.fs.du(self._blobs))
            took_s = time.monotonic() - began_s
            self._count_again_at_s = began_s + max(RECOUNT_AFTER_S, took_s / COUNTING_SHARE)
        return self._used_bytes


@cache
def shared_quota(url: str, quota_bytes: int, keep_free_bytes: int) -> DiskQuota:
    """Return this process's count of a store: one for all runs, which come and go."""
    layout = StoreLayout(*fsspec.url_to_fs(url))
    return DiskQuota(layout, quota_bytes, keep_free_bytes)
