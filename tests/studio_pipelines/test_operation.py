"""An operation's op is a plain Dagster op, and its faults are told whole."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from asset_store_check import leftovers, wrong_answers
from dagster._core.errors import DagsterExecutionInterruptedError
from twelfth_operation.file_copy import OPERATION, FileCopy, file_copy

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.gpu import Gpu
from resources.progress import Progress
from resources.run_tags import job_id_of
from studio_pipelines.catalogue import operations
from studio_pipelines.errors import UnusableMedia, problem_of
from studio_pipelines.jobs import job_of
from studio_pipelines.operation import ModelIdentity, OperationResult, studio_op
from studio_pipelines.outcome import outcome_of

IDENTITY = ModelIdentity("copy", "1", "Apache-2.0", "builtin")


@pytest.fixture
def picture(folder_store: ArtifactStore, pixel_png: bytes) -> Artifact:
    with folder_store.new_writer() as writer:
        writer.write(pixel_png)
        return folder_store.keep(writer, media_type="image/png")


def execute(
    store: ArtifactStore,
    picture: Artifact,
    config: Mapping[str, Any],
    broker_url: str = "",
    run_id: str | None = None,
) -> dg.ExecuteInProcessResult:
    """Run the operation's job in this process."""
    return job_of(OPERATION).execute_in_process(
        run_id=run_id,
        run_config={"ops": {"file_copy": {"inputs": {"image": picture.id}, "config": config}}},
        resources={
            "artifacts": store,
            "gpu": Gpu(preference="cpu"),
            "progress": Progress(redis_url=broker_url),
            "io_manager": dg.mem_io_manager,
        },
        raise_on_error=False,
    )


def test_the_op_yields_its_materialisation_and_its_main_asset(
    folder_store: ArtifactStore, picture: Artifact, pixel_png: bytes
) -> None:
    result = execute(folder_store, picture, {})
    assert result.success
    (event,) = result.asset_materializations_for_node("file_copy")
    assert event.asset_key == dg.AssetKey(["file_copy"])
    metadata = event.metadata
    described = metadata["result"].value
    assert described["assets"]["copy"]["sha256"] == picture.sha256
    assert described["verification"] == {"passed": True}
    assert metadata["bytes"].value == float(len(pixel_png))
    assert metadata["model"].value == "copy"
    assert metadata["job"].value == job_id_of(result.run_id)
    # Only numbers can be plotted.
    assert "passed" not in metadata
    assert "device" not in metadata
    (handed,) = result.output_for_node("file_copy").items
    main = handed.assets["copy"]
    assert handed.main == main
    assert main.id == described["assets"]["copy"]["id"] != picture.id


def test_the_op_records_its_verification_as_a_check(
    folder_store: ArtifactStore, picture: Artifact
) -> None:
    result = execute(folder_store, picture, {})
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.asset_check_key == dg.AssetCheckKey(dg.AssetKey("file_copy"), "verification")
    assert evaluation.passed
    assert evaluation.metadata["job"].value == job_id_of(result.run_id)


def test_a_fault_ends_the_run_with_its_whole_explanation(
    folder_store: ArtifactStore, picture: Artifact
) -> None:
    result = execute(folder_store, picture, {"refuse": True})
    assert not result.success
    assert outcome_of(result.all_events) == {
        "status": "failed",
        "error": {
            "status": 422,
            "code": "unusable_media",
            "message": "image: refused on request.",
            "field": "image",
            "hint": "Do not ask for it.",
        },
    }


def test_parameters_are_checked_again_inside_the_run(
    folder_store: ArtifactStore, picture: Artifact
) -> None:
    outcome = outcome_of(execute(folder_store, picture, {"seconds_taken": 61.0}).all_events)
    assert outcome is not None
    assert outcome["error"]["code"] == "invalid_parameter"
    assert outcome["error"]["field"] == "secondsTaken"


def test_a_deleted_input_fails_the_run(folder_store: ArtifactStore, picture: Artifact) -> None:
    folder_store.delete(picture.id)
    outcome = outcome_of(execute(folder_store, picture, {}).all_events)
    assert outcome is not None
    assert outcome["status"] == "failed"
    assert (outcome["error"]["status"], outcome["error"]["code"]) == (404, "asset_not_found")
    assert picture.id in outcome["error"]["message"]


def test_a_store_that_is_away_fails_the_run_plainly(
    folder_store: ArtifactStore, picture: Artifact, tmp_path: Path
) -> None:
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    outcome = outcome_of(execute(folder_store, picture, {}).all_events)
    assert outcome is not None
    assert (outcome["error"]["status"], outcome["error"]["code"]) == (
        503,
        "asset_store_unavailable",
    )
    assert not (tmp_path / "store").exists()


def assets_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("file_copy")
    return event.metadata["result"].value["assets"]


def test_a_run_that_is_done_again_finds_the_assets_that_it_stored(
    folder_store: ArtifactStore, picture: Artifact, tmp_path: Path
) -> None:
    run_id = str(uuid.uuid4())
    first = assets_of(execute(folder_store, picture, {}, run_id=run_id))
    again = assets_of(execute(folder_store, picture, {}, run_id=run_id))
    assert first == again
    assert first["copy"]["jobId"] == job_id_of(run_id)
    assert len(list((tmp_path / "store" / "assets").iterdir())) == 2, "the input and one result"
    of_another = assets_of(execute(folder_store, picture, {}))
    assert of_another["copy"]["id"] != first["copy"]["id"]
    assert wrong_answers(tmp_path / "store") == leftovers(tmp_path / "store") == []


@pytest.mark.parametrize("error", [UnusableMedia("No."), KeyboardInterrupt(), ZeroDivisionError()])
def test_what_an_op_stored_before_it_failed_is_gone(
    folder_store: ArtifactStore, picture: Artifact, tmp_path: Path, error: BaseException
) -> None:
    @studio_op(FileCopy)
    def stores_and_fails(
        _context: dg.OpExecutionContext,
        params: FileCopy,
        image: Artifact,
        artifacts: ArtifactStore,
    ) -> OperationResult:
        """Store something and fail."""
        with artifacts.scratch() as folder:
            (folder / "made").write_bytes(b"made")
            artifacts.adopt(folder / "made", media_type="image/png")
            raise error

    @dg.job(resource_defs={"artifacts": folder_store})
    def job() -> None:
        stores_and_fails()

    with suppress(KeyboardInterrupt, DagsterExecutionInterruptedError):
        inputs = {"stores_and_fails": {"inputs": {"image": picture.id}, "config": {}}}
        assert not job.execute_in_process({"ops": inputs}, raise_on_error=False).success
    assert [path.stem for path in (tmp_path / "store" / "assets").iterdir()] == [picture.id]
    assert wrong_answers(tmp_path / "store") == leftovers(tmp_path / "store") == []


@pytest.mark.stack
def test_progress_is_told_while_it_runs(
    folder_store: ArtifactStore, picture: Artifact, broker_url: str
) -> None:
    import redis

    result = execute(folder_store, picture, {"seconds_taken": 0.1}, broker_url)
    assert result.success
    assert redis.Redis.from_url(broker_url).exists(f"studio:run:{result.run_id}:progress")


def test_the_op_is_described_by_its_function() -> None:
    assert isinstance(file_copy, dg.OpDefinition)
    assert file_copy.name == OPERATION.name == "file_copy"
    assert set(file_copy.input_dict) == {"image"}
    assert file_copy.required_resource_keys == {"artifacts", "gpu", "progress"}
    assert OPERATION.summary == "Copy a file."
    assert OPERATION.required_inputs == ("image",)


def test_every_built_operation_is_named_like_its_op_and_documented() -> None:
    for name, operation in operations().items():
        assert operation.op.name == name
        assert operation.summary, name
        assert set(operation.accepts) == set(operation.op.input_dict), name
        for body in operation.examples.values():
            given = {key: value for key, value in body.items() if key not in operation.accepts}
            operation.parameters.model_validate(given)


def test_parameters_are_camel_case_outside_and_admit_nothing_else() -> None:
    assert FileCopy.model_validate({"secondsTaken": 1}) == FileCopy(seconds_taken=1)
    assert FileCopy(seconds_taken=1).model_dump(by_alias=True)["secondsTaken"] == 1
    with pytest.raises(ValueError, match="Extra inputs"):
        FileCopy.model_validate({"secondTaken": 1})


def test_the_first_asset_is_the_main_one(tmp_path: Path) -> None:
    first, second = (Artifact(name, "0", "image/png", 1, "now") for name in ("ast_1", "ast_2"))
    result = OperationResult({"graded": first, "lut": second}, {}, {}, IDENTITY, notes=("Dark.",))
    assert result.main is first
    described = result.describe()
    assert list(described["assets"]) == ["graded", "lut"]
    assert described["notes"] == ["Dark."]
    assert "notes" not in OperationResult({"graded": first}, {}, {}, IDENTITY).describe()


def test_a_fault_keeps_its_parts() -> None:
    error = UnusableMedia("It is empty.", field="image", hint="Send another.")
    assert problem_of(error) == {
        "status": 422,
        "code": "unusable_media",
        "message": "It is empty.",
        "field": "image",
        "hint": "Send another.",
    }
