"""The artifact store, in a folder and in fsspec's memory file system."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.artifact import Artifact, ArtifactNotFound
from resources.artifacts import ArtifactStore
from resources.quota import DiskQuotaExceeded

PNG = "image/png"


def store(artifacts: ArtifactStore, data: bytes) -> Artifact:
    with artifacts.new_writer() as writer:
        writer.write(data)
        return artifacts.keep(writer, media_type=PNG)


def files_of(artifacts: ArtifactStore, folder: str) -> list[str]:
    fs, root = artifacts._layout.fs, artifacts._layout.root
    return [path for path in fs.find(f"{root}/{folder}") if fs.isfile(path)]


def content(artifacts: ArtifactStore, artifact: Artifact) -> bytes:
    with artifacts.open(artifact) as file:
        return file.read()


@given(chunks=st.lists(st.binary(max_size=5000), max_size=6))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_bytes_come_back_as_they_were_given(artifacts: ArtifactStore, chunks: list[bytes]) -> None:
    with artifacts.new_writer() as writer:
        for chunk in chunks:
            writer.write(chunk)
        kept = artifacts.keep(writer, media_type=PNG, filename="a.png")
    whole = b"".join(chunks)
    assert writer.head == whole[:4096]
    assert (kept.sha256, kept.bytes) == (hashlib.sha256(whole).hexdigest(), len(whole))
    assert artifacts.get(kept.id) == kept
    assert content(artifacts, kept) == whole
    with artifacts.local_path(kept) as path:
        assert path.read_bytes() == whole


def test_equal_bytes_are_stored_once_and_go_with_their_last_asset(
    artifacts: ArtifactStore,
) -> None:
    first, second = store(artifacts, b"same"), store(artifacts, b"same")
    assert first.id != second.id
    assert len(files_of(artifacts, "blobs")) == 1
    artifacts.delete(first.id)
    assert content(artifacts, second) == b"same"
    with pytest.raises(ArtifactNotFound, match=first.id):
        artifacts.get(first.id)
    artifacts.delete(second.id)
    for folder in ("blobs", "assets", "refs", "incoming"):
        assert files_of(artifacts, folder) == [], folder
    assert content(artifacts, store(artifacts, b"same")) == b"same"


def test_ids_are_random(artifacts: ArtifactStore) -> None:
    ids = {store(artifacts, b"same").id for _ in range(20)}
    assert len(ids) == 20
    assert all(one.startswith("ast_") and len(one) == 28 for one in ids)


def test_nothing_is_seen_of_a_file_in_the_making(artifacts: ArtifactStore) -> None:
    with artifacts.new_writer() as writer:
        writer.write(b"the first half")
        assert files_of(artifacts, "blobs") == []
        assert files_of(artifacts, "assets") == []
    assert files_of(artifacts, "incoming") == []


def test_a_failure_while_writing_leaves_nothing(artifacts: ArtifactStore) -> None:
    def write_half() -> None:
        with artifacts.new_writer() as writer:
            writer.write(b"the first half")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        write_half()
    assert files_of(artifacts, "incoming") == []


def test_a_finished_file_is_taken_over(artifacts: ArtifactStore, tmp_path: Path) -> None:
    for data in (b"result", b"result"):
        made = tmp_path / "result.png"
        made.write_bytes(data)
        kept = artifacts.adopt(made, media_type=PNG, filename="result.png")
        assert not made.exists()
        assert content(artifacts, kept) == data
    assert len(files_of(artifacts, "blobs")) == 1
    assert files_of(artifacts, "incoming") == []


@pytest.mark.parametrize("asset_id", ["", "ast_", "ast_0", "job_1", "ast_../../x", "ast_a/b"])
def test_an_id_that_there_is_not(artifacts: ArtifactStore, asset_id: str) -> None:
    with pytest.raises(ArtifactNotFound):
        artifacts.get(asset_id)
    with pytest.raises(ArtifactNotFound):
        artifacts.delete(asset_id)


def test_a_full_store_takes_no_more_and_nothing_is_left(tmp_path: Path) -> None:
    artifacts = ArtifactStore(url=tmp_path.joinpath("store").as_uri(), quota_bytes=1000)
    first = store(artifacts, bytes(600))
    with artifacts.new_writer() as writer:
        for _ in range(4):
            writer.write(bytes(100))
        with pytest.raises(DiskQuotaExceeded, match="400 bytes left"):
            writer.write(b"1")
    made = tmp_path / "result.png"
    made.write_bytes(b"x" * 500)
    with pytest.raises(DiskQuotaExceeded):
        artifacts.adopt(made, media_type=PNG)
    assert files_of(artifacts, "incoming") == []
    artifacts.delete(first.id)
    assert store(artifacts, b"y" * 900).bytes == 900


def test_bytes_that_are_there_already_cost_no_quota(tmp_path: Path) -> None:
    artifacts = ArtifactStore(url=tmp_path.joinpath("store").as_uri(), quota_bytes=1000)
    for _ in range(5):
        store(artifacts, b"z" * 400)
    assert artifacts.quota.room_bytes() == 600


def test_scratch_is_gone_afterwards(folder_store: ArtifactStore) -> None:
    with folder_store.scratch() as folder:
        (folder / "half").write_bytes(b"half")
    assert not folder.exists()


def test_the_record_is_camel_case_without_what_is_unknown(artifacts: ArtifactStore) -> None:
    kept = store(artifacts, b"abc")
    assert kept.describe() == {
        "id": kept.id,
        "mediaType": PNG,
        "bytes": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
        "createdAt": kept.created_at,
    }
