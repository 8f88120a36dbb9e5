"""A resumed run of several ops: what was done before its worker died is not done again."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, DagsterInstance
from dagster._core.definitions.reconstruct import reconstructable
from dagster._grpc.impl import core_execute_run
from twelfth_operation.file_copy import FileCopy

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.run_tags import RESUMED_TAG
from studio_pipelines.errors import UnusableMedia
from studio_pipelines.operation import ModelIdentity, OperationResult, studio_op


def _copy(name: str, image: Artifact, artifacts: ArtifactStore) -> OperationResult:
    folder = Path(os.environ["CHAIN_DIR"])
    with (folder / "executed").open("a") as log:
        log.write(f"{name}\n")
    if (folder / "second-dies").exists() and name == "second":
        os.kill(os.getpid(), signal.SIGKILL)
    with artifacts.scratch() as scratch:
        (scratch / name).write_bytes(artifacts.open(image).read() + name.encode())
        kept = artifacts.adopt(scratch / name, media_type="image/png", filename=name)
    identity = ModelIdentity("copy", "1", "Apache-2.0", "builtin")
    return OperationResult({"copy": kept}, {}, {"passed": True}, identity)


@studio_op(FileCopy)
def first(
    context: dg.OpExecutionContext, params: FileCopy, image: Artifact, artifacts: ArtifactStore
) -> OperationResult:
    """Copy."""
    return _copy("first", image, artifacts)


@studio_op(FileCopy)
def second(
    context: dg.OpExecutionContext, params: FileCopy, image: Artifact, artifacts: ArtifactStore
) -> OperationResult:
    """Copy again."""
    return _copy("second", image, artifacts)


@studio_op(FileCopy)
def each(
    context: dg.OpExecutionContext, params: FileCopy, image: Artifact, artifacts: ArtifactStore
) -> OperationResult:
    """Copy, unless it is the second, which is refused, or the third, which kills at first."""
    name = artifacts.open(image).read().decode()
    if name == "bad":
        raise UnusableMedia("It is bad.")
    return _copy(name, image, artifacts)


@studio_op(FileCopy)
def names(
    context: dg.OpExecutionContext,
    params: FileCopy,
    made: Mapping[str, Artifact],
    artifacts: ArtifactStore,
) -> OperationResult:
    """Copy what the step before has made under the name of copy."""
    return _copy("second", made["copy"], artifacts)


def names_job() -> dg.JobDefinition:
    return job_of_ops("by_name", lambda: names(first()))


def chain_job() -> dg.JobDefinition:
    return job_of_ops("chain", lambda: second(first()))


def list_job() -> dg.JobDefinition:
    return job_of_ops("many", each)


@dg.resource
def artifacts(context: dg.InitResourceContext) -> ArtifactStore:
    # Dagster keeps the job that it has made once; each test has a store of its own.
    store = ArtifactStore(url=store_url())
    store.setup_for_execution(context)
    return store


def job_of_ops(name: str, compose: Callable[[], object]) -> dg.JobDefinition:
    @dg.job(
        name=name,
        executor_def=dg.in_process_executor,
        resource_defs={"artifacts": artifacts, "io_manager": dg.mem_io_manager},
    )
    def job() -> None:
        compose()

    return job


def store_url() -> str:
    return (Path(os.environ["CHAIN_DIR"]) / "store").as_uri()


def execute(
    instance: DagsterInstance,
    run_id: str,
    make_job: Callable[[], dg.JobDefinition],
    *,
    resume: bool,
) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    job = reconstructable(make_job)
    events = core_execute_run(job, run, instance, inject_env_vars=False, resume_from_failure=resume)
    for _ in events:
        pass


def keep(store: ArtifactStore, content: bytes) -> str:
    with store.new_writer() as writer:
        writer.write(content)
        return store.keep(writer, media_type="image/png").id


@contextmanager
def dies_once(
    folder: Path, make_job: Callable[[], dg.JobDefinition], ops: Mapping[str, Any]
) -> Iterator[tuple[DagsterInstance, str]]:
    """Run a job whose process is killed when it comes to "second"; what is next resumes it."""
    with dg.instance_for_test(temp_dir=str(folder)) as instance:
        run_id = instance.create_run_for_job(make_job(), run_config={"ops": ops}).run_id
        (folder / "second-dies").touch()
        worker = multiprocessing.get_context("fork").Process(
            target=execute, args=(instance, run_id, make_job), kwargs={"resume": False}
        )
        worker.start()
        worker.join(60)
        assert worker.exitcode == -signal.SIGKILL
        (folder / "second-dies").unlink()
        instance.add_run_tags(run_id, {RESUMED_TAG: "1"})
        yield instance, run_id


def test_what_was_done_before_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAIN_DIR", str(tmp_path))
    store = ArtifactStore(url=store_url())
    ops = {"first": {"inputs": {"image": keep(store, b"picture ")}}}
    with dies_once(tmp_path, chain_job, ops) as (instance, run_id):
        assert materialized(instance, run_id) == ["first"]
        execute(instance, run_id, chain_job, resume=True)
        assert executed(tmp_path) == ["first", "second", "second"]
        assert materialized(instance, run_id) == ["first", "second"]
        result = newest_result(instance, "second")
        kept = store.get(result["assets"]["copy"]["id"])
        assert store.open(kept).read() == b"picture firstsecond"


def test_a_list_that_the_first_op_had_done_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAIN_DIR", str(tmp_path))
    store = ArtifactStore(url=store_url())
    images = [keep(store, b"a "), keep(store, b"b ")]
    with dies_once(tmp_path, chain_job, {"first": {"inputs": {"image": images}}}) as (
        instance,
        run_id,
    ):
        execute(instance, run_id, chain_job, resume=True)
        assert executed(tmp_path) == ["first", "first", "second", "second", "second"]
        items = newest_result(instance, "second")["items"]
        made = [store.open(store.get(item["assets"]["copy"]["id"])).read() for item in items]
        assert made == [b"a firstsecond", b"b firstsecond"]


def test_all_that_the_first_op_had_made_is_handed_on_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAIN_DIR", str(tmp_path))
    store = ArtifactStore(url=store_url())
    ops = {"first": {"inputs": {"image": keep(store, b"picture ")}}}
    with dies_once(tmp_path, names_job, ops) as (instance, run_id):
        execute(instance, run_id, names_job, resume=True)
        assert executed(tmp_path) == ["first", "second", "second"]
        kept = newest_result(instance, "names")["assets"]["copy"]
        assert store.open(store.get(kept["id"])).read() == b"picture firstsecond"


@pytest.mark.parametrize("deleted", [False, True])
def test_items_that_had_ended_are_not_done_again_unless_their_assets_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, deleted: bool
) -> None:
    monkeypatch.setenv("CHAIN_DIR", str(tmp_path))
    store = ArtifactStore(url=store_url())
    images = [keep(store, name) for name in (b"one", b"bad", b"second", b"last")]
    with dies_once(tmp_path, list_job, {"each": {"inputs": {"image": images}}}) as (
        instance,
        run_id,
    ):
        if deleted:
            asset_id = next(
                path.stem
                for path in (tmp_path / "store" / "assets").iterdir()
                if path.stem not in images
            )
            store.delete(asset_id)
        execute(instance, run_id, list_job, resume=True)
        again = ["one"] if deleted else []
        assert executed(tmp_path) == ["one", "second", *again, "second", "last"]
        items = newest_result(instance, "each")["items"]
        assert [item.get("error", {}).get("code") for item in items] == [
            None,
            "unusable_media",
            None,
            None,
        ]
        (first,) = items[0]["assets"].values()
        assert store.open(store.get(first["id"])).read() == b"oneone"


def executed(folder: Path) -> list[str]:
    return (folder / "executed").read_text().split()


def newest_result(instance: DagsterInstance, op: str) -> Any:
    (record,) = instance.fetch_materializations(dg.AssetKey(op), limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization.metadata["result"].value


def materialized(instance: DagsterInstance, run_id: str) -> list[str]:
    kind = DagsterEventType.ASSET_MATERIALIZATION
    return [
        entry.get_dagster_event().step_key or ""
        for entry in instance.all_logs(run_id, of_type=kind)
    ]
