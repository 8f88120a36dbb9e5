"""A disk that fills up, turns read-only or goes away: told plainly, and nothing half-made."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from asset_store_check import SmallDisk, leftovers, small_disk, wrong_answers

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.quota import DiskQuotaExceeded
from resources.storage_faults import AssetStoreUnavailable
from studio_pipelines.errors import StudioError

PNG = "image/png"
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 4) as mounted:
        yield mounted


@pytest.fixture
def store(disk: SmallDisk) -> ArtifactStore:
    return ArtifactStore(url=(disk.path / "store").as_uri(), keep_free_bytes=0)


def keep(store: ArtifactStore, data: bytes) -> Artifact:
    with store.new_writer() as writer:
        for start in range(0, len(data), 1 << 16):
            writer.write(data[start : start + (1 << 16)])
        return store.keep(writer, media_type=PNG)


def content(store: ArtifactStore, artifact: Artifact) -> bytes:
    with store.open(artifact) as file:
        return file.read()


def sound(disk: SmallDisk) -> bool:
    root = disk.path / "store"
    return wrong_answers(root) == [] and leftovers(root) == []


def test_a_disk_that_fills_up_while_a_file_is_written(
    disk: SmallDisk, store: ArtifactStore
) -> None:
    first = keep(store, b"first")
    with store.new_writer() as writer:
        disk.fill(leave_bytes=MIB)
        with pytest.raises(DiskQuotaExceeded, match="disk"):
            for _ in range(32):
                writer.write(bytes(1 << 16))
    assert sound(disk)
    disk.empty()
    assert content(store, first) == b"first"
    assert content(store, keep(store, bytes(MIB))) == bytes(MIB)
    assert sound(disk)


def test_what_is_buffered_when_the_disk_is_full_is_told_too(
    disk: SmallDisk, store: ArtifactStore
) -> None:
    keep(store, b"first")
    with store.new_writer() as writer:
        writer.write(b"a few bytes")
        disk.fill()
        with pytest.raises(DiskQuotaExceeded):
            store.keep(writer, media_type=PNG)
    assert sound(disk)


def test_at_each_step_of_entering_a_full_disk_leaves_nothing(
    disk: SmallDisk, store: ArtifactStore
) -> None:
    """A page or two more is free each time: the mark fits, the folder fits, the record does not."""
    outcomes: list[bool] = []
    keep(store, b"first")
    for pages in range(8):
        made = disk.path / "result"
        made.write_bytes(b"result %d" % pages)
        disk.fill(leave_bytes=pages * 4096)
        try:
            store.adopt(made, media_type=PNG)
            outcomes.append(True)
        except DiskQuotaExceeded:
            outcomes.append(False)
        disk.empty()
        assert sound(disk), pages
    assert outcomes[0] is False
    assert outcomes[-1] is True


def test_a_full_disk_is_told_to_an_op_that_writes_a_file(
    disk: SmallDisk, store: ArtifactStore
) -> None:
    with pytest.raises(DiskQuotaExceeded), store.scratch() as folder:
        disk.fill(leave_bytes=MIB)
        (folder / "result").write_bytes(bytes(2 * MIB))
    assert sound(disk)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
def test_a_full_disk_is_told_when_a_picture_is_encoded(
    disk: SmallDisk, store: ArtifactStore, kind: str
) -> None:
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.picture import Picture

    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    with pytest.raises(DiskQuotaExceeded), store.scratch() as folder:
        disk.fill(leave_bytes=1 << 16)
        encode_picture(Picture(noise), folder / "a", format=kind)  # type: ignore[arg-type]
    assert sound(disk)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "aac", "opus"])
def test_a_full_disk_is_told_when_sound_is_encoded(
    disk: SmallDisk, store: ArtifactStore, kind: str
) -> None:
    from studio_pipelines.media.audio_encode import AudioEncoder
    from studio_pipelines.media.audio_encoding import AudioEncoding

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (48_000, 2)).astype(np.float32)
    with pytest.raises(DiskQuotaExceeded), store.scratch() as folder:
        disk.fill(leave_bytes=1 << 16)
        encoding = AudioEncoding(kind)  # type: ignore[arg-type]
        with AudioEncoder(folder / "a", encoding, 48_000, 2) as encoder:
            for _ in range(10):
                encoder.write(noise)
    assert sound(disk)


def test_a_read_only_disk_still_gives_what_it_has(disk: SmallDisk, store: ArtifactStore) -> None:
    first = keep(store, b"first")
    made = disk.path / "result"
    made.write_bytes(b"result")
    disk.set_read_only(True)
    assert content(store, store.get(first.id)) == b"first"
    for write in (
        lambda: keep(store, b"second"),
        lambda: store.adopt(made, media_type=PNG),
        lambda: store.delete(first.id),
        lambda: store.scratch().__enter__(),
    ):
        with pytest.raises(AssetStoreUnavailable) as told:
            write()
        assert str(disk.path) not in str(told.value)
    disk.set_read_only(False)
    assert content(store, keep(store, b"second")) == b"second"
    assert content(store, first) == b"first"
    assert sound(disk)


def test_a_disk_that_turns_read_only_in_the_middle(disk: SmallDisk, store: ArtifactStore) -> None:
    made = disk.path / "result"
    made.write_bytes(b"result")
    keep(store, b"first")
    with pytest.raises(AssetStoreUnavailable), store.new_writer() as writer:
        writer.write(b"x" * MIB)
        writer._file.close()  # a file that is open for writing keeps the disk from it
        disk.set_read_only(True)
        store.keep(writer, media_type=PNG)
    disk.set_read_only(False)
    assert wrong_answers(disk.path / "store") == []
    assert [name.partition("/")[0] for name in leftovers(disk.path / "store")] == ["incoming"]
    store.sweep(lambda _run_id: False)
    assert len(leftovers(disk.path / "store")) == 1, "it is fresh, so it may be somebody's"


def test_a_folder_that_is_gone_is_told_from_an_asset_that_is_not_there(
    folder_store: ArtifactStore, tmp_path: Path
) -> None:
    first = keep(folder_store, b"first")
    root = tmp_path / "store"
    root.rename(tmp_path / "elsewhere")
    for use in (
        lambda: folder_store.get(first.id),
        lambda: folder_store.open(first),
        lambda: folder_store.stored_path(first),
        lambda: folder_store.delete(first.id),
        lambda: keep(folder_store, b"second"),
        lambda: folder_store.scratch().__enter__(),
    ):
        with pytest.raises(AssetStoreUnavailable):
            use()
    (tmp_path / "elsewhere").rename(root)
    assert content(folder_store, folder_store.get(first.id)) == b"first"


def test_a_run_never_makes_a_store_anew(tmp_path: Path) -> None:
    """An unmounted disk leaves an empty folder, and what is written there is lost to view."""
    (tmp_path / "store").mkdir()
    store = ArtifactStore(url=(tmp_path / "store").as_uri())
    store._run_id = "c0ffee00-0000-4000-8000-000000000000"
    with pytest.raises(AssetStoreUnavailable):
        store.get("ast_0123456789abcdef01234567")
    assert list((tmp_path / "store").iterdir()) == []


def test_a_mistake_of_the_work_stays_what_it_is(folder_store: ArtifactStore) -> None:
    with pytest.raises(FileNotFoundError), folder_store.scratch() as folder:
        (folder / "never made").read_bytes()


def test_faults_are_those_that_the_api_answers() -> None:
    assert (DiskQuotaExceeded.status, AssetStoreUnavailable.status) == (507, 503)
    assert issubclass(AssetStoreUnavailable, StudioError)
