"""A list given to an op: each item is done, and its faults are its own."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from asset_store_check import leftovers, wrong_answers
from dagster._core.errors import DagsterExecutionInterruptedError
from twelfth_operation.file_copy import FileCopy

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.quota import DiskQuotaExceeded
from studio_pipelines.errors import DeadlineExceeded, UnusableMedia
from studio_pipelines.operation import ModelIdentity, OperationResult, studio_op
from studio_pipelines.outcome import UNEXPECTED, outcome_of

IDENTITY = ModelIdentity("copy", "1", "Apache-2.0", "builtin")
PICTURE = b"\x89PNG"


@dataclass
class Faults:
    """What the op under test raises for the items of these bytes; and what it was called with."""

    by_content: dict[bytes, BaseException] = field(default_factory=dict)
    calls: list[bytes] = field(default_factory=list)


FAULTS = Faults()


@pytest.fixture(autouse=True)
def _no_faults() -> None:
    FAULTS.by_content.clear()
    FAULTS.calls.clear()


def kept(store: ArtifactStore, *contents: bytes) -> list[str]:
    ids: list[str] = []
    for content in contents:
        with store.new_writer() as writer:
            writer.write(content)
            ids.append(store.keep(writer, media_type="image/png").id)
    return ids


def made(store: ArtifactStore, content: bytes, name: str) -> Artifact:
    with store.scratch() as folder:
        (folder / name).write_bytes(content)
        return store.adopt(folder / name, media_type="image/png", filename=name)


@studio_op(FileCopy)
def shout(
    _context: dg.OpExecutionContext, params: FileCopy, image: Artifact, artifacts: ArtifactStore
) -> OperationResult:
    """Say it louder."""
    content = artifacts.open(image).read()
    FAULTS.calls.append(content)
    loud = made(artifacts, content + b"!", "loud")
    if fault := FAULTS.by_content.get(content):
        raise fault
    passed = content != b"quiet"
    return OperationResult(
        {"loud": loud}, {"bytes": loud.bytes}, {"passed": passed}, IDENTITY, preview_png=PICTURE
    )


def execute(
    op: dg.OpDefinition,
    store: ArtifactStore,
    inputs: Mapping[str, str | list[str]],
) -> dg.ExecuteInProcessResult:
    @dg.job(resource_defs={"artifacts": store, "io_manager": dg.mem_io_manager})
    def job() -> None:
        op()

    return job.execute_in_process(
        {"ops": {op.name: {"inputs": inputs, "config": {}}}},
        raise_on_error=False,
    )


def data_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    outcome = outcome_of(result.all_events)
    assert outcome is not None
    assert outcome["status"] == "completed", outcome
    return outcome["data"]


def error_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    outcome = outcome_of(result.all_events)
    assert outcome is not None
    assert outcome["status"] == "failed", outcome
    return outcome["error"]


def contents(store: ArtifactStore, assets: Mapping[str, Any]) -> bytes:
    (one,) = assets.values()
    return store.open(store.get(one["id"])).read()


def test_each_item_has_its_result_in_its_place(folder_store: ArtifactStore) -> None:
    images = kept(folder_store, b"a", b"quiet", b"c")
    result = execute(shout, folder_store, {"image": images})
    data = data_of(result)
    told = [contents(folder_store, item["assets"]) for item in data["items"]]
    assert told == [b"a!", b"quiet!", b"c!"]
    assert [item["metrics"] for item in data["items"]] == [
        {"bytes": 2},
        {"bytes": 6},
        {"bytes": 2},
    ]
    assert [item["verification"]["passed"] for item in data["items"]] == [True, False, True]
    assert data["main"] == "loud"
    assert data["assets"] == data["items"][0]["assets"]
    assert data["metrics"] == {"items": 3, "itemsFailed": 0}
    assert data["verification"] == {"passed": False, "itemsPassed": 2}
    assert data["model"]["name"] == "copy"
    handed = result.output_for_node("shout")
    assert handed.is_list
    assert [one.main.id for one in handed.items] == [
        item["assets"]["loud"]["id"] for item in data["items"]
    ]


def test_the_ui_shows_each_item_and_the_whole_once(folder_store: ArtifactStore) -> None:
    FAULTS.by_content[b"b"] = UnusableMedia("It is b.")
    result = execute(shout, folder_store, {"image": kept(folder_store, b"a", b"b")})
    shown = [
        event.asset_observation_data.asset_observation
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_OBSERVATION
    ]
    assert [one.asset_key for one in shown] == [dg.AssetKey("shout")] * 2
    assert [one.metadata["item"].value for one in shown] == ["1 of 2", "2 of 2"]
    assert shown[0].metadata["bytes"].value == 2.0
    assert "base64" in shown[0].metadata["preview"].value
    assert shown[1].metadata["code"].value == "unusable_media"
    (whole,) = result.asset_materializations_for_node("shout")
    assert whole.metadata["itemsFailed"].value == 1.0
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed


def test_a_list_of_one_is_a_list_and_a_single_input_is_none(folder_store: ArtifactStore) -> None:
    (image,) = kept(folder_store, b"a")
    assert len(data_of(execute(shout, folder_store, {"image": [image]}))["items"]) == 1
    assert "items" not in data_of(execute(shout, folder_store, {"image": image}))


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (UnusableMedia("It is b.", field="image"), {"code": "unusable_media", "field": "image"}),
        (ZeroDivisionError("a secret path"), UNEXPECTED),
        (MemoryError(), UNEXPECTED),
    ],
)
def test_what_is_wrong_with_one_item_is_its_own(
    folder_store: ArtifactStore, tmp_path: Path, fault: BaseException, problem: dict[str, Any]
) -> None:
    FAULTS.by_content[b"b"] = fault
    data = data_of(execute(shout, folder_store, {"image": kept(folder_store, b"b", b"c")}))
    assert data["items"][0].keys() == {"error"}
    assert problem.items() <= data["items"][0]["error"].items()
    assert contents(folder_store, data["items"][1]["assets"]) == b"c!"
    assert (data["main"], data["assets"]) == (None, {})
    assert data["metrics"] == {"items": 2, "itemsFailed": 1}
    # Two inputs and one result: what the item had stored before it failed is gone.
    assert len(list((tmp_path / "store" / "assets").iterdir())) == 3
    assert wrong_answers(tmp_path / "store") == leftovers(tmp_path / "store") == []


def test_an_item_that_was_deleted_is_told_in_its_place(folder_store: ArtifactStore) -> None:
    images = kept(folder_store, b"a", b"b")
    folder_store.delete(images[0])
    data = data_of(execute(shout, folder_store, {"image": images}))
    assert data["items"][0]["error"]["code"] == "asset_not_found"
    assert contents(folder_store, data["items"][1]["assets"]) == b"b!"


def test_the_job_fails_if_all_items_fail(folder_store: ArtifactStore) -> None:
    FAULTS.by_content |= {b"a": UnusableMedia("It is a."), b"b": ZeroDivisionError()}
    error = error_of(execute(shout, folder_store, {"image": kept(folder_store, b"a", b"b")}))
    assert (error["status"], error["code"]) == (422, "unusable_media")
    assert error["message"] == "None of the 2 items could be done. The first: It is a."


@pytest.mark.parametrize(
    "fault",
    [
        DeadlineExceeded("Too long."),
        DiskQuotaExceeded("Full."),
        KeyboardInterrupt(),
        DagsterExecutionInterruptedError(),
    ],
)
def test_what_ends_the_job_is_no_fault_of_an_item(
    folder_store: ArtifactStore, tmp_path: Path, fault: BaseException
) -> None:
    FAULTS.by_content[b"b"] = fault
    images = kept(folder_store, b"a", b"b", b"c")
    with suppress(KeyboardInterrupt, DagsterExecutionInterruptedError):
        result = execute(shout, folder_store, {"image": images})
        assert error_of(result)["code"] == getattr(fault, "code", "operation_failed")
    assert FAULTS.calls == [b"a", b"b"]
    # What the first item had made is gone with the job that nobody has the result of.
    stored = {path.stem for path in (tmp_path / "store" / "assets").iterdir()}
    assert stored == set(images)


@studio_op(FileCopy)
def join(
    _context: dg.OpExecutionContext,
    params: FileCopy,
    images: list[Artifact],
    artifacts: ArtifactStore,
) -> OperationResult:
    """Make one of all."""
    whole = b"".join(artifacts.open(one).read() for one in images)
    return OperationResult({"whole": made(artifacts, whole, "whole")}, {}, {}, IDENTITY)


def test_an_op_that_takes_the_list_makes_one_result(folder_store: ArtifactStore) -> None:
    data = data_of(execute(join, folder_store, {"images": kept(folder_store, b"a", b"b")}))
    assert contents(folder_store, data["assets"]) == b"ab"
    assert "items" not in data
    (image,) = kept(folder_store, b"a")
    data = data_of(execute(join, folder_store, {"images": image}))
    assert contents(folder_store, data["assets"]) == b"a"


def longest(
    _context: dg.OpExecutionContext,
    params: FileCopy,
    items: Sequence[Artifact],
    artifacts: ArtifactStore,
) -> int:
    assert isinstance(artifacts, ArtifactStore)
    if params.refuse:
        raise UnusableMedia("No.")
    return max(one.bytes for one in items)


@studio_op(FileCopy, prepare=longest)
def pad(
    _context: dg.OpExecutionContext,
    params: FileCopy,
    image: Artifact,
    artifacts: ArtifactStore,
    shared: int,
    second: Artifact | None = None,
) -> OperationResult:
    """Make all as long as the longest."""
    padded = artifacts.open(image).read().ljust(shared, b".")
    padded += b"" if second is None else artifacts.open(second).read()
    return OperationResult({"padded": made(artifacts, padded, "padded")}, {}, {}, IDENTITY)


def test_what_the_items_have_in_common_is_prepared_once(folder_store: ArtifactStore) -> None:
    images = kept(folder_store, b"a", b"bbb", b"cc", b"ddddd")
    folder_store.delete(images[3])
    data = data_of(execute(pad, folder_store, {"image": images}))
    told = [contents(folder_store, item["assets"]) for item in data["items"][:3]]
    assert told == [b"a..", b"bbb", b"cc."]
    assert set(pad.input_dict) == {"image", "second"}
    alone = data_of(execute(pad, folder_store, {"image": images[0]}))
    assert contents(folder_store, alone["assets"]) == b"a"


def test_a_single_input_goes_with_every_item_and_lists_go_by_their_place(
    folder_store: ArtifactStore,
) -> None:
    images = kept(folder_store, b"a", b"b")
    (one,) = kept(folder_store, b"+")
    data = data_of(execute(pad, folder_store, {"image": images, "second": one}))
    assert [contents(folder_store, item["assets"]) for item in data["items"]] == [b"a+", b"b+"]
    data = data_of(execute(pad, folder_store, {"image": images, "second": images[::-1]}))
    assert [contents(folder_store, item["assets"]) for item in data["items"]] == [b"ab", b"ba"]
    result = execute(pad, folder_store, {"image": images, "second": [one] * 3})
    assert error_of(result)["code"] == "invalid_parameter"
