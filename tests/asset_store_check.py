"""What must hold of an asset store in a folder, and disks on which to try it."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest


def wrong_answers(root: Path) -> list[str]:
    """Name each way in which a reader of the store could be told something wrong."""
    wrong: list[str] = []
    for path in (root / "assets").iterdir():
        record = json.loads(path.read_bytes())
        sha256 = record["sha256"]
        blob = root / "blobs" / sha256[:2] / sha256
        if record["id"] != path.stem:
            wrong.append(f"{path.name} is the record of {record['id']}")
        if not blob.exists():
            wrong.append(f"{path.name} has no bytes")
        elif blob.stat().st_size != record["bytes"]:
            wrong.append(f"{path.name} has another size than its bytes")
        if not (root / "refs" / sha256 / path.stem).exists():
            wrong.append(f"{path.name} has no mark")
    return wrong + [
        f"blob {blob.name} holds other bytes"
        for blob in (root / "blobs").glob("*/*")
        if hashlib.sha256(blob.read_bytes()).hexdigest() != blob.name
    ]


def leftovers(root: Path) -> list[str]:
    """Name what no asset needs: bytes without a mark, marks without a record, unfinished files."""
    marks = list((root / "refs").glob("*/*"))
    marked = {path.parent.name for path in marks}
    left = [f"incoming/{path.name}" for path in (root / "incoming").iterdir()]
    left += [
        f"mark {path.name}" for path in marks if not (root / f"assets/{path.name}.json").exists()
    ]
    return left + [
        f"blob {path.name}" for path in (root / "blobs").glob("*/*") if path.name not in marked
    ]


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own in memory."""

    path: Path

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Write until no more than this is free."""
        stat = os.statvfs(self.path)
        with (self.path / "filler").open("ab") as file, suppress(OSError):
            file.write(bytes(max(0, stat.f_bavail * stat.f_frsize - leave_bytes)))

    def empty(self) -> None:
        """Make room again."""
        (self.path / "filler").unlink(missing_ok=True)

    def set_read_only(self, read_only: bool) -> None:
        how = "ro" if read_only else "rw"
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)


@contextmanager
def small_disk(path: Path, size_mib: int) -> Iterator[SmallDisk]:
    """Mount a disk of this size; skip the test where mounting is not allowed."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=755", "none", str(path)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=False)
