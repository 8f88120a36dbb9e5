"""The archives that registries give: wheels, which are zip files, and tar files."""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from resources.model_faults import DownloadFailed, UnsafePackage, WrongContent

COPY_BYTES = 1 << 20
MOST_FILES = 100_000
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    # An encrypted member; a way of packing that is not known; a name that is no text.
    *(RuntimeError, NotImplementedError, UnicodeError),
)


def matches(name: str, patterns: Collection[str]) -> bool:
    """Whether a name is one of those wanted; ``*`` also stands for ``/``."""
    return name in patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def require_safe(name: str) -> None:
    """Make sure that a name stays inside the folder that it is put into.

    Raises:
        UnsafePackage: It does not.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise UnsafePackage(f"A package has the file {name!r}, which leads out of its folder.")


def unpack(
    archive: Path, patterns: Collection[str], folder: Path, *, limit_bytes: int
) -> dict[str, Path]:
    """Unpack the files that match, and nothing else, into a folder of ours.

    They get names of ours, so that none leads anywhere.

    Args:
        archive: A wheel or a tar file.
        patterns: Names of files inside, with wildcards or without.
        folder: Where to.
        limit_bytes: What they may take unpacked, all together.

    Returns:
        The unpacked files by their names inside.

    Raises:
        DownloadFailed: The archive is broken.
        UnsafePackage: A file that matches leads out of its folder, or is a link or a device.
        WrongContent: The files are larger than the limit, or too many.
    """
    left_bytes = limit_bytes
    found: dict[str, Path] = {}
    try:
        with _members(archive, lambda name: matches(name, patterns)) as members:
            for name, stream in members:
                require_safe(name)
                if len(found) == MOST_FILES:
                    raise WrongContent(f"A package has more than {MOST_FILES:,} files.")
                path = folder / f"{len(found):05d}"
                left_bytes -= _copy(stream, path, left_bytes)
                found[name] = path
    except _BROKEN as error:
        raise DownloadFailed(f"The package {archive.name} is broken: {error}") from error
    return found


@contextmanager
def _members(
    archive: Path, wanted: Callable[[str], bool]
) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_members(opened, wanted)
    else:
        with tarfile.open(archive, "r|*") as opened:
            yield _tar_members(opened, wanted)


def _zip_members(
    opened: zipfile.ZipFile, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, IO[bytes]]]:
    for member in opened.infolist():
        if not member.is_dir() and wanted(member.filename):
            with opened.open(member) as stream:
                yield member.filename, stream


def _tar_members(
    opened: tarfile.TarFile, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, IO[bytes]]]:
    for member in opened:
        if member.isdir() or not wanted(member.name):
            continue
        stream = opened.extractfile(member) if member.isreg() else None
        if stream is None:
            raise UnsafePackage(f"{member.name!r} in a package is no plain file.")
        yield member.name, stream


def _copy(stream: IO[bytes], path: Path, limit_bytes: int) -> int:
    written_bytes = 0
    with path.open("xb") as file:
        while chunk := stream.read(COPY_BYTES):
            written_bytes += len(chunk)
            if written_bytes > limit_bytes:
                raise WrongContent("A package holds more than its model's declaration says.")
            file.write(chunk)
    return written_bytes
