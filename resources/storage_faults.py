"""Faults of the disk behind the asset store, as errors that a person can act on."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from resources.quota import DiskQuotaExceeded
from studio_pipelines.errors import StudioError

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_BROKEN = frozenset((errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV))
_AWAY = frozenset((errno.ENXIO, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH)) | _BROKEN
# fsspec raises these without a number too.
_AWAY_TYPES = (FileNotFoundError, NotADirectoryError, PermissionError, ConnectionError)
log = structlog.get_logger(__name__)


class AssetStoreUnavailable(StudioError):
    """The place where assets are kept is missing, read-only or does not answer."""

    status = 503
    code = "asset_store_unavailable"
    advice = (
        "Nothing half-made is kept; when it is back the next request works. A job that met it "
        "has failed: submit it again."
    )
    is_of_one_item = False


def unavailable() -> AssetStoreUnavailable:
    """Return the fault of a store that cannot be used now; it names no path."""
    return AssetStoreUnavailable(
        "The asset store cannot be used: its folder is missing, read-only or does not answer.",
        hint="Try again soon; whoever runs the studio should look at its disk.",
    )


@contextmanager
def storage_faults() -> Iterator[None]:
    """Tell what the disk says to the store's own calls.

    Raises:
        DiskQuotaExceeded: The disk is full.
        AssetStoreUnavailable: The store's folder is missing, read-only or does not answer.
    """
    try:
        yield
    except OSError as error:
        is_away = error.errno in _AWAY or isinstance(error, _AWAY_TYPES)
        raise _told(error, is_away=is_away) from error


@contextmanager
def scratch_faults() -> Iterator[None]:
    """Tell what the disk says to work on scratch files: only what is surely the disk's own fault.

    A file that the work did not find, or may not read, is the work's mistake.

    Raises:
        DiskQuotaExceeded: The disk is full.
        AssetStoreUnavailable: The disk has become read-only or fails.
    """
    try:
        yield
    except OSError as error:
        raise _told(error, is_away=error.errno in _BROKEN) from error


def _told(error: OSError, *, is_away: bool) -> Exception:
    if error.errno in _FULL:
        log.error("the disk of the asset store is full", error=str(error))
        return DiskQuotaExceeded(
            "The disk of the asset store is full.",
            hint="Delete assets that are no longer needed, or make room on the disk.",
        )
    if is_away:
        log.error("the asset store fails", error=str(error))
        return unavailable()
    return error
