"""Clearing a store of what is old, on a folder and on fsspec's memory file system."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from resources.artifact import Artifact, ArtifactNotFound
from resources.artifacts import ArtifactStore
from resources.expiry import ASSETS_AT_A_TIME, delete_leftovers, delete_old_assets


def stored(store: ArtifactStore, data: bytes) -> Artifact:
    with store.new_writer() as writer:
        writer.write(data)
        return store.keep(writer, media_type="image/png")


def a_moment_later() -> datetime:
    """Return a time after all that was stored before the call; records tell milliseconds."""
    time.sleep(0.005)
    now = datetime.now(UTC)
    time.sleep(0.005)
    return now


def test_old_assets_go_and_young_ones_stay(artifacts: ArtifactStore) -> None:
    old, shared = stored(artifacts, b"old"), stored(artifacts, b"shared")
    moment = a_moment_later()
    young, sharing = stored(artifacts, b"young"), stored(artifacts, b"shared")
    assert sum(delete_old_assets(artifacts, moment)) == 2
    for gone in (old, shared):
        with pytest.raises(ArtifactNotFound):
            artifacts.get(gone.id)
    assert artifacts.open(artifacts.get(young.id)).read() == b"young"
    # Bytes live as long as one asset needs them.
    assert artifacts.open(artifacts.get(sharing.id)).read() == b"shared"
    fs, root = fsspec.url_to_fs(artifacts.url)
    assert not fs.exists(f"{root}/blobs/{old.sha256[:2]}/{old.sha256}")
    assert sum(delete_old_assets(artifacts, moment)) == 0


def test_it_can_be_stopped_and_goes_on(folder_store: ArtifactStore) -> None:
    number = ASSETS_AT_A_TIME + 5
    for index in range(number):
        stored(folder_store, str(index).encode())
    moment = a_moment_later()
    assert next(delete_old_assets(folder_store, moment)) == ASSETS_AT_A_TIME
    assert sum(delete_old_assets(folder_store, moment)) == number - ASSETS_AT_A_TIME


def test_a_damaged_record_does_not_stop_it(folder_store: ArtifactStore) -> None:
    damaged, whole = stored(folder_store, b"one"), stored(folder_store, b"two")
    root = Path(fsspec.url_to_fs(folder_store.url)[1])
    (root / "assets" / f"{damaged.id}.json").write_bytes(b"")
    assert sum(delete_old_assets(folder_store, a_moment_later())) == 1
    with pytest.raises(ArtifactNotFound):
        folder_store.get(whole.id)


def test_what_a_killed_process_left_goes(artifacts: ArtifactStore) -> None:
    left = artifacts.new_writer()
    left.write(b"half a file")
    left._file.close()
    moment = a_moment_later()
    with artifacts.new_writer() as writer:
        writer.write(b"still being written")
        assert list(delete_leftovers(artifacts, moment)).count(1) == 1
        kept = artifacts.keep(writer, media_type="image/png")
    assert artifacts.open(kept).read() == b"still being written"
    assert sum(delete_leftovers(artifacts, moment)) == 0


def test_a_scratch_folder_is_as_young_as_what_was_last_written_in_it(
    folder_store: ArtifactStore,
) -> None:
    yesterday_s = time.time() - 86_400
    with folder_store.scratch() as folder:
        inner = folder / "checkpoints"
        inner.mkdir()
        (inner / "step-1").write_bytes(b"weights")
        for path in (inner, folder):
            os.utime(path, (yesterday_s, yesterday_s))
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        assert sum(delete_leftovers(folder_store, an_hour_ago)) == 0
        for path in (inner / "step-1", inner, folder):
            os.utime(path, (yesterday_s, yesterday_s))
        assert sum(delete_leftovers(folder_store, an_hour_ago)) == 1
        assert not folder.exists()
        folder.mkdir()


def test_a_record_that_was_not_finished_goes(folder_store: ArtifactStore) -> None:
    whole = stored(folder_store, b"whole")
    part = Path(fsspec.url_to_fs(folder_store.url)[1]) / "assets" / "ast_1.json.part"
    part.write_bytes(b"{")
    assert sum(delete_leftovers(folder_store, a_moment_later())) == 1
    assert not part.exists()
    assert folder_store.get(whole.id) == whole


def test_an_empty_store_has_nothing_to_lose(tmp_path: Path) -> None:
    store = ArtifactStore(url=(tmp_path / "nowhere").as_uri())
    assert sum(delete_old_assets(store, datetime.now(UTC))) == 0
    assert sum(delete_leftovers(store, datetime.now(UTC))) == 0
