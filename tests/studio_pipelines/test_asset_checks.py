"""A job's verification as an asset check, recorded by the job and read again on demand."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from studio_pipelines.asset_checks import asset_checks, newest_verification
from studio_pipelines.catalogue import chains, operations
from studio_pipelines.verification import CHECK_NAME, verification_evaluation


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def completed(instance: dg.DagsterInstance, asset: str, verification: dict[str, Any]) -> None:
    """Record what a completed job records."""
    metadata = {"result": {"verification": verification}, "job": "job_1"}
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, metadata=metadata))


@pytest.mark.parametrize(
    ("verification", "passed"), [({}, True), ({"passed": True}, True), ({"passed": False}, False)]
)
def test_a_missed_target_is_a_warning(verification: dict[str, Any], passed: bool) -> None:
    evaluation = verification_evaluation("master", verification, "job_1")
    assert evaluation.passed is passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert not evaluation.blocking


def test_figures_and_words_become_metadata() -> None:
    measured = {
        "passed": False,
        "reason": "too quiet",
        "clipped": False,
        "curve": [1, 2],
        "peak": None,
        "after": {"lufs": -16.0, "passed": 1},
    }
    metadata = verification_evaluation("master", measured, "job_1").metadata
    assert {name: value.value for name, value in metadata.items()} == {
        "job": "job_1",
        "reason": "too quiet",
        "clipped": False,
        "after.lufs": -16.0,
        "after.passed": 1,
    }


def test_there_is_one_for_each_operation_and_each_step_of_a_chain() -> None:
    keys = {key for check in asset_checks() for key in check.check_keys}
    within = {place.asset_key for chain in chains().values() for place in chain.places.values()}
    assert keys == {
        dg.AssetCheckKey(key, CHECK_NAME)
        for key in (*(dg.AssetKey(name) for name in operations()), *within)
    }


def test_run_on_demand_it_reads_the_newest_result_again(instance: dg.DagsterInstance) -> None:
    check, name = asset_checks()[0], next(iter(operations()))
    completed(instance, name, {"passed": True})
    completed(instance, name, {"passed": False, "deltaE": 3.5})
    selection = dg.AssetSelection.checks(check)
    result = dg.materialize([check], instance=instance, selection=selection)
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["deltaE"].value == 3.5


def test_before_the_first_job_there_is_nothing_to_miss(instance: dg.DagsterInstance) -> None:
    result = newest_verification(instance, dg.AssetKey("nothing"))
    assert result.passed
    assert result.description == "No job has completed yet."
