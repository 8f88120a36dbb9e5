"""Writers of the store that are killed at any point: no wrong answer, and nothing left for good."""

import json
import multiprocessing
import random
import time
from contextlib import suppress
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from asset_store_check import leftovers, wrong_answers

from resources.artifact import Artifact, ArtifactNotFound
from resources.artifact_entry import drop_if_unshared
from resources.artifact_sweep import sweep
from resources.artifacts import ArtifactStore

RUN_ID = "c0ffee00-0000-4000-8000-000000000000"
PNG = "image/png"


def contents() -> list[bytes]:
    """A few files, some of several blocks, that writers share."""
    rng = random.Random(1)
    return [rng.randbytes(size) for size in (0, 1, 700, 5000, 300_000, 2_000_000)]


def write_for_ever(url: str, scratch: str, seed: int) -> None:
    """Upload, adopt as a run and as nobody, delete: one after the other until killed."""
    store, run_store = ArtifactStore(url=url), ArtifactStore(url=url)
    run_store._run_id = RUN_ID
    rng, kept = random.Random(seed), []
    while True:
        data = rng.choice(contents())
        if rng.random() < 0.5:
            with store.new_writer() as writer:
                for start in range(0, len(data), 1 << 17):
                    writer.write(data[start : start + (1 << 17)])
                kept.append(store.keep(writer, media_type=PNG))
        else:
            made = Path(scratch) / f"made-{seed}"
            made.write_bytes(data)
            user = rng.choice((store, run_store))
            artifact = user.adopt(made, media_type=PNG, filename="result.png")
            if user is store:
                kept.append(artifact)
        if len(kept) > 3:
            store.delete(kept.pop(rng.randrange(len(kept))).id)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that begin with the store's modules imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["resources.artifacts"])
    return context


def started(context: ForkServerContext, store: ArtifactStore, tmp_path: Path, seed: int):
    process = context.Process(target=write_for_ever, args=(store.url, str(tmp_path), seed))
    process.start()
    return process


def wait_for_work(store_dir: Path, seen: int, process: BaseProcess) -> None:
    """Wait until a new writer has begun to change the store."""
    deadline_s = time.monotonic() + 30
    while (store_dir / "assets").stat().st_mtime_ns == seen:
        assert process.is_alive()
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def assets_of_the_run(store_dir: Path) -> list[tuple[str, str]]:
    records = [json.loads(path.read_bytes()) for path in (store_dir / "assets").iterdir()]
    return [(one["sha256"], one["id"]) for one in records if one["job_id"] is not None]


@pytest.mark.parametrize("kills", [15, pytest.param(200, marks=pytest.mark.soak)])
def test_writers_killed_one_after_the_other(
    folder_store: ArtifactStore, tmp_path: Path, processes: ForkServerContext, kills: int
) -> None:
    store_dir, rng, left = tmp_path / "store", random.Random(7), 0
    folder_store.sweep(lambda _run_id: False)
    for seed in range(kills):
        seen = (store_dir / "assets").stat().st_mtime_ns
        process = started(processes, folder_store, tmp_path, seed)
        wait_for_work(store_dir, seen, process)
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.join()
        assert wrong_answers(store_dir) == []
        left += len(leftovers(store_dir))
    assert left, "none was killed in the middle: the test looks at nothing"
    contents_of_the_run = [sha256 for sha256, _ in assets_of_the_run(store_dir)]
    assert len(set(contents_of_the_run)) == len(contents_of_the_run)
    sweep(folder_store._layout, run_goes_on=lambda _run_id: False, abandoned_after_s=0)
    assert leftovers(store_dir) == []
    assert wrong_answers(store_dir) == []


def test_readers_never_see_half_a_file(
    folder_store: ArtifactStore, tmp_path: Path, processes: ForkServerContext
) -> None:
    store_dir = tmp_path / "store"
    folder_store.sweep(lambda _run_id: False)
    known = {len(data): data for data in contents()}
    writers = [started(processes, folder_store, tmp_path, seed) for seed in (101, 102)]
    read, ends_at_s = 0, time.monotonic() + 3
    while time.monotonic() < ends_at_s or read < 50:
        for path in (store_dir / "assets").iterdir():
            with suppress(ArtifactNotFound):
                artifact = folder_store.get(path.stem)
                with folder_store.open(artifact) as file:
                    assert file.read() == known[artifact.bytes]
            read += 1
    for process in writers:
        process.kill()
        process.join()
    sweep(folder_store._layout, run_goes_on=lambda _run_id: False, abandoned_after_s=0)
    assert wrong_answers(store_dir) == []
    assert leftovers(store_dir) == []


def store_bytes(store: ArtifactStore, data: bytes) -> Artifact:
    with store.new_writer() as writer:
        writer.write(data)
        return store.keep(writer, media_type=PNG)


def test_bytes_moved_aside_are_put_back_where_they_are_needed(folder_store: ArtifactStore) -> None:
    """A deletion was killed after it had moved the blob and another asset had come."""
    kept = store_bytes(folder_store, b"needed")
    layout = folder_store._layout
    layout.move(layout.blob(kept.sha256), f"{layout.folder('incoming')}/aside-{kept.sha256}-0")
    swept = sweep(layout, run_goes_on=lambda _run_id: False, abandoned_after_s=0)
    assert swept.put_back == 1
    with folder_store.open(kept) as file:
        assert file.read() == b"needed"


def test_the_sweep_leaves_alone_what_is_in_the_making(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    run_store = ArtifactStore(url=artifacts.url)
    run_store._run_id = RUN_ID
    artifacts.sweep(lambda _run_id: True)
    with artifacts.new_writer() as young, run_store.new_writer() as of_a_run:
        young.write(b"young")
        of_a_run.write(b"a run's")
        kept = store_bytes(artifacts, b"kept")
        assert artifacts.sweep(lambda _run_id: False) == sweep(
            artifacts._layout, run_goes_on=lambda run_id: run_id == RUN_ID, abandoned_after_s=3600
        )
        run_store.keep(of_a_run, media_type=PNG)
        artifacts.keep(young, media_type=PNG)
    assert artifacts.get(kept.id) == kept
    assert not drop_if_unshared(artifacts._layout, kept.sha256)


def test_a_run_that_goes_on_keeps_its_scratch_however_old(
    folder_store: ArtifactStore, tmp_path: Path
) -> None:
    folder_store.sweep(lambda _run_id: False)
    run_store = ArtifactStore(url=folder_store.url)
    run_store._run_id = RUN_ID
    with run_store.scratch() as folder:
        (folder / "half").write_bytes(b"half")
        live = sweep(folder_store._layout, run_goes_on=RUN_ID.__eq__, abandoned_after_s=0)
        assert (live.unfinished, folder.exists()) == (0, True)
        dead = sweep(folder_store._layout, run_goes_on=lambda _run_id: False, abandoned_after_s=0)
        assert (dead.unfinished, folder.exists()) == (1, False)
        folder.mkdir()


def test_an_attempt_clears_what_the_last_one_left(folder_store: ArtifactStore) -> None:
    folder_store.sweep(lambda _run_id: False)
    died, other = ArtifactStore(url=folder_store.url), ArtifactStore(url=folder_store.url)
    died._run_id, other._run_id = RUN_ID, RUN_ID.replace("c0", "de")
    left = Path(died._layout.new_incoming())
    left.mkdir()
    left.joinpath("half").write_bytes(b"half")
    with other.scratch() as theirs:
        again = ArtifactStore(url=folder_store.url)
        again._run_id = RUN_ID
        with again.scratch() as folder:
            assert not left.exists()
            assert theirs.exists()
            assert folder.name.startswith(f"run-{RUN_ID}-")
