"""Chains, read off their declarations and run in this process."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from copy_chains import CHAINS
from twelfth_operation.file_copy import OPERATION

from resources.artifacts import ArtifactStore
from resources.gpu import Gpu
from resources.progress import Progress
from resources.run_tags import LANE_TAG, OPERATION_TAG, QUEUE_TAG, job_id_of
from studio_pipelines.asset_specs import specs_of
from studio_pipelines.catalogue import chains, declared_chains, operations
from studio_pipelines.chain import LinkedChain
from studio_pipelines.jobs import job_of_chain
from studio_pipelines.media.sniff import Media
from studio_pipelines.outcome import outcome_of

BUILT = {"file_copy": OPERATION}
TWICE, JOIN, NOTHING = CHAINS


@pytest.fixture
def image(folder_store: ArtifactStore, pixel_png: bytes) -> str:
    with folder_store.new_writer() as writer:
        writer.write(pixel_png)
        return folder_store.keep(writer, media_type="image/png").id


def execute(
    chain: LinkedChain,
    store: ArtifactStore,
    ops: Mapping[str, Any],
    inputs: Mapping[str, Any] | None = None,
) -> dg.ExecuteInProcessResult:
    return job_of_chain(chain).execute_in_process(
        run_config={"ops": ops, **({"inputs": inputs} if inputs else {})},
        resources={
            "artifacts": store,
            "gpu": Gpu(preference="cpu"),
            "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
            "io_manager": dg.mem_io_manager,
        },
        raise_on_error=False,
    )


def data_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    outcome = outcome_of(result.all_events)
    assert outcome is not None
    assert outcome["status"] == "completed", outcome
    return outcome["data"]


def content(store: ArtifactStore, data: Mapping[str, Any]) -> bytes:
    return store.open(store.get(data["assets"][data["main"]]["id"])).read()


def test_a_chain_is_one_job_on_a_queue_of_its_own() -> None:
    job = job_of_chain(TWICE.linked(BUILT))
    assert job.name == "copy_twice_job"
    assert job.description == "Copy a file, and copy the copy."
    assert {node.name for node in job.nodes} == {"file_copy", "again"}
    assert job.tags == {
        OPERATION_TAG: "copy-twice",
        QUEUE_TAG: "chain.copy-twice",
        LANE_TAG: "test",
    }
    assert job.executor_def.name == "in_process"


def test_what_a_request_gives_is_what_no_step_makes() -> None:
    twice = TWICE.linked(BUILT)
    assert list(twice.inputs) == ["image"]
    assert twice.inputs["image"].kinds == (Media.IMAGE,)
    assert (twice.inputs["image"].required, twice.inputs["image"].shared) == (True, False)
    assert twice.step_inputs("again") == {}
    join = JOIN.linked(BUILT)
    assert join.inputs["image"].shared
    assert join.inputs["image"].kinds == (Media.IMAGE,)
    assert join.step_inputs("files_join") == {}
    assert twice.main_input == join.main_input == "image"


def test_what_a_step_is_fed_is_told_before_there_is_a_job() -> None:
    twice, join = TWICE.linked(BUILT), JOIN.linked(BUILT)
    assert twice.fed_inputs("file_copy", {"image"}) == frozenset()
    assert twice.fed_inputs("again", set()) == {"image"}
    assert join.fed_inputs("files_join", {"image"}) == {"made", "original"}
    assert join.fed_inputs("files_join", set()) == {"made"}


def test_a_chain_names_what_it_lacks() -> None:
    assert TWICE.missing(BUILT) == ()
    assert NOTHING.missing(BUILT) == ("file_find",)


def test_each_step_hands_its_result_on(
    folder_store: ArtifactStore, image: str, pixel_png: bytes
) -> None:
    ops = {"file_copy": {"inputs": {"image": image}}}
    result = execute(TWICE.linked(BUILT), folder_store, ops)
    data = data_of(result)
    assert list(data["steps"]) == ["file_copy", "again"]
    assert content(folder_store, data) == content(folder_store, data["steps"]["again"])
    assert content(folder_store, data["steps"]["file_copy"]) == pixel_png
    for step in data["steps"].values():
        assert step["verification"] == {"passed": True}
        assert step["metrics"]["bytes"] == len(pixel_png)
        assert step["model"]["name"] == "copy"
        assert step["timings"]["runMs"] >= 0


def test_a_step_gets_all_that_the_one_before_made_by_name(
    folder_store: ArtifactStore, image: str, pixel_png: bytes
) -> None:
    ops = {"files_join": {"config": {"between": "+"}}}
    data = data_of(execute(JOIN.linked(BUILT), folder_store, ops, {"image": image}))
    assert content(folder_store, data) == pixel_png + b"+" + pixel_png
    assert data["notes"] == ["copy"]


def test_a_list_goes_through_a_chain_and_a_failed_item_stays_failed(
    folder_store: ArtifactStore, image: str, pixel_png: bytes
) -> None:
    images = [image, "ast_000000000000000000000000", image]
    ops = {"files_join": {"config": {"between": "+"}}}
    data = data_of(execute(JOIN.linked(BUILT), folder_store, ops, {"image": images}))
    for step in (data, *data["steps"].values()):
        codes = [item.get("error", {}).get("code") for item in step["items"]]
        assert codes == [None, "asset_not_found", None]
    assert content(folder_store, data["items"][2]) == pixel_png + b"+" + pixel_png


def test_results_and_parts_are_assets_of_the_chain(folder_store: ArtifactStore, image: str) -> None:
    chain = JOIN.linked(BUILT)
    ops = {"files_join": {"config": {}}}
    result = execute(chain, folder_store, ops, {"image": image})
    made = {
        event.materialization.asset_key.to_user_string(): event.materialization
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION
    }
    assert set(made) == {
        "copy_join/file_copy",
        "copy_join/file_copy/copy",
        "copy_join/files_join",
    }
    described = data_of(result)["steps"]["file_copy"]["assets"]["copy"]
    shown = made["copy_join/file_copy/copy"].metadata
    assert shown["asset"].value == described["id"]
    assert shown["job"].value == job_id_of(result.run_id)
    checked = {
        evaluation.asset_key.to_user_string() for evaluation in result.get_asset_check_evaluations()
    }
    assert checked == {"copy_join/file_copy", "copy_join/files_join"}


def test_the_ui_knows_what_each_asset_is_made_from() -> None:
    specs = {spec.key.to_user_string(): spec for spec in specs_of(JOIN.linked(BUILT))}
    deps = {
        name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()
    }
    assert deps == {
        "copy_join/file_copy": set(),
        "copy_join/file_copy/copy": {"copy_join/file_copy"},
        "copy_join/file_copy/cover": {"copy_join/file_copy"},
        "copy_join/files_join": {"copy_join/file_copy/copy", "copy_join/file_copy/cover"},
    }
    assert {spec.group_name for spec in specs.values()} == {"copy_join"}


def test_a_fault_in_a_later_step_names_the_step(folder_store: ArtifactStore, image: str) -> None:
    ops = {"file_copy": {"inputs": {"image": image}}, "again": {"config": {"seconds_taken": 99.0}}}
    outcome = outcome_of(execute(TWICE.linked(BUILT), folder_store, ops).all_events)
    assert outcome is not None
    assert outcome["error"]["code"] == "invalid_parameter"
    assert outcome["error"]["field"] == "again.secondsTaken"


def test_every_declared_chain_can_be_linked_once_its_operations_are_built() -> None:
    for name, chain in declared_chains().items():
        assert chain.name == name
        assert chain.summary
        assert (name in chains()) is (not chain.missing(operations()))
        for linked in chains().values():
            assert {op.lane for op in linked.operations.values()} == {linked.lane}
