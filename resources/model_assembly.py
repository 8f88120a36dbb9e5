"""Making a model's folder of what its sources gave, and checking every file."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from resources.model_declaration import ModelDeclaration, ModelFile, tree_sha256
from resources.model_faults import DownloadFailed, WrongContent
from resources.model_fetch import Fetched, fetch
from resources.model_folder import LockedFile, ModelLock, file_sha256
from resources.model_origin import Origin
from resources.model_package import matches, require_safe

# Where the declaration doesn't say how large a model is, this is too large for one.
LIMIT_BYTES = 256 << 30


@dataclass(frozen=True)
class Assembled:
    """A model's folder, checked.

    Attributes:
        fetched: Hash of each declared file or folder, by its path.
        resolved: The revision of each source.
        files: Every file of the folder.
    """

    fetched: Mapping[str, str]
    resolved: Mapping[str, str]
    files: Mapping[str, LockedFile]


def assemble(
    declaration: ModelDeclaration,
    known: ModelLock | None,
    scratch: Path,
    folder: Path,
    on_fetched: Callable[[], None],
) -> Assembled:
    """Fetch all files of a model into a folder, and check them.

    Args:
        declaration: The model.
        known: What an earlier pull has recorded.
        scratch: For what is fetched.
        folder: The model's folder in the making.
        on_fetched: Called when everything is here, and is to be checked.

    Raises:
        PullFailed: A file is not to be had, or not what it must be.
    """
    origins = {file: declaration.origin_of(file) for file in declaration.files}
    fetched = {
        origin: _fetch_all(declaration, origin, known, scratch / f"source-{number}")
        for number, origin in enumerate(dict.fromkeys(origins.values()))
    }
    on_fetched()
    hashes: dict[str, str] = {}
    files: dict[str, LockedFile] = {}
    for file, origin in origins.items():
        found = dict(_placed(file, fetched[origin], folder))
        hashes[file.path] = _checked(file, found, known)
        files |= found
    resolved = {f"{one.kind}:{one.name}": got.resolved for one, got in fetched.items()}
    return Assembled(hashes, resolved, files)


def _fetch_all(
    declaration: ModelDeclaration, origin: Origin, known: ModelLock | None, scratch: Path
) -> Fetched:
    scratch.mkdir()
    files = [file for file in declaration.files if declaration.origin_of(file) == origin]
    sizes = [file.size_bytes for file in files]
    if known and not origin.version:
        origin = Origin(
            origin.kind, origin.name, known.resolved.get(f"{origin.kind}:{origin.name}", "")
        )
    return fetch(
        origin,
        list(dict.fromkeys(part for file in files for part in file.parts)),
        scratch,
        limit_bytes=sum(sizes) if all(sizes) else LIMIT_BYTES,
    )


def _placed(file: ModelFile, fetched: Fetched, folder: Path) -> Iterator[tuple[str, LockedFile]]:
    """Put one declared file, or the files of a folder, into the model's folder."""
    if not file.is_folder:
        missing = [part for part in file.parts if part not in fetched.files]
        if missing:
            raise DownloadFailed(f"The source of {file.path} has no file {missing[0]!r}.")
        yield (
            file.path,
            _put([fetched.files[part] for part in file.parts], fetched, folder / file.path),
        )
        return
    found = sorted(name for name in fetched.files if matches(name, file.parts))
    if not found:
        raise DownloadFailed(f"The source of {file.path} has no file like {file.parts[0]!r}.")
    shared = _shared_folder(file.parts)
    for name in found:
        target = f"{file.path}{name[shared:]}".removeprefix("./")
        require_safe(target)
        yield target, _put([fetched.files[name]], fetched, folder / target)


def _shared_folder(patterns: tuple[str, ...]) -> int:
    """Return the length of the folder that all patterns begin with: it is left out."""
    fixed = [re.split(r"[*?\[]", pattern, maxsplit=1)[0] for pattern in patterns]
    return os.path.commonprefix(fixed).rfind("/") + 1  # noqa: RUF071  cut at a slash here


def _put(parts: list[Path], fetched: Fetched, target: Path) -> LockedFile:
    target.parent.mkdir(parents=True, exist_ok=True)
    if len(parts) > 1:
        with target.open("xb") as joined:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, joined, 1 << 20)
    elif fetched.stay:
        # A folder of the user's stays his: what he loads may be many GB.
        target.symlink_to(parts[0].resolve())
        stat = target.stat()
        return LockedFile(
            sha256=file_sha256(target), size_bytes=stat.st_size, mtime_ns=stat.st_mtime_ns
        )
    else:
        _link_or_copy(parts[0].resolve(), target)
    return LockedFile(sha256=file_sha256(target), size_bytes=target.stat().st_size)


def _link_or_copy(source: Path, target: Path) -> None:
    """Take a file of ours, or of a client's cache, without a second copy where the disk is one."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
        shutil.copyfile(source, target)


def _checked(file: ModelFile, found: Mapping[str, LockedFile], known: ModelLock | None) -> str:
    sha256 = (
        tree_sha256({path: one.sha256 for path, one in found.items()})
        if file.is_folder
        else found[file.path].sha256
    )
    expected = file.sha256 or (known.fetched.get(file.path, "") if known else "")
    if expected and sha256 != expected:
        by = "the declaration" if file.sha256 else "an earlier pull"
        raise WrongContent(
            f"{file.path} is not the file that {by} names: its hash is {sha256}, not {expected}."
        )
    return sha256
