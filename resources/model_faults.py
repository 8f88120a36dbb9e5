"""What can go wrong while a model is pulled: each leaves the models folder as it was."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

# A limit on the size of files (ulimit -f) says EFBIG.
FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class PullFailed(Exception):
    """A model could not be pulled."""


class DownloadFailed(PullFailed):
    """The source did not give the files: it is away, refuses, or broke off."""


class WrongContent(PullFailed):
    """What was fetched is not what was declared, or not what an earlier pull has recorded."""


class UnsafePackage(PullFailed):
    """A package wants to write where it must not, or carries what is no plain file."""


class ConversionFailed(PullFailed):
    """The model's conversion failed, or left nothing."""


class DiskFull(PullFailed):
    """The disk has not enough room for the model."""


@contextmanager
def disk_faults(name: str) -> Iterator[None]:
    """Tell a disk that has become full as what it is.

    Raises:
        DiskFull: In place of the system's error.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFull(
            f"The disk became full while {name} was pulled; nothing is left of it."
        ) from error
