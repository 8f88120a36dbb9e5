"""A resumed run of several ops: what was done before its worker died is not done again."""

import multiprocessing
import os
import signal
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


def chain_job() -> dg.JobDefinition:
    @dg.job(
        executor_def=dg.in_process_executor,
        resource_defs={
            "artifacts": ArtifactStore(url=store_url()),
            "io_manager": dg.mem_io_manager,
        },
    )
    def chain() -> None:
        second(first())

    return chain


def store_url() -> str:
    return (Path(os.environ["CHAIN_DIR"]) / "store").as_uri()


def execute(instance: DagsterInstance, run_id: str, *, resume: bool) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    job = reconstructable(chain_job)
    events = core_execute_run(job, run, instance, inject_env_vars=False, resume_from_failure=resume)
    for _ in events:
        pass


def test_what_was_done_before_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAIN_DIR", str(tmp_path))
    store = ArtifactStore(url=store_url())
    writer = store.new_writer()
    writer.write(b"picture ")
    image = store.keep(writer, media_type="image/png")
    config = {"ops": {"first": {"inputs": {"image": image.id}}}}
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        run_id = instance.create_run_for_job(chain_job(), run_config=config).run_id
        (tmp_path / "second-dies").touch()
        worker = multiprocessing.get_context("fork").Process(
            target=execute, args=(instance, run_id), kwargs={"resume": False}
        )
        worker.start()
        worker.join(60)
        assert worker.exitcode == -signal.SIGKILL
        assert materialized(instance, run_id) == ["first"]

        (tmp_path / "second-dies").unlink()
        instance.add_run_tags(run_id, {RESUMED_TAG: "1"})
        execute(instance, run_id, resume=True)
        assert (tmp_path / "executed").read_text().split() == ["first", "second", "second"]
        assert materialized(instance, run_id) == ["first", "second"]
        (record,) = instance.fetch_materializations(dg.AssetKey("second"), limit=1).records
        assert record.asset_materialization is not None
        result: Any = record.asset_materialization.metadata["result"].value
        kept = store.get(result["assets"]["copy"]["id"])
        assert store.open(kept).read() == b"picture firstsecond"


def materialized(instance: DagsterInstance, run_id: str) -> list[str]:
    kind = DagsterEventType.ASSET_MATERIALIZATION
    return [
        entry.get_dagster_event().step_key or ""
        for entry in instance.all_logs(run_id, of_type=kind)
    ]
