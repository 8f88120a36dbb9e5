"""What the Dagster UI shows and starts, asked of the real web server over GraphQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from running_studio import RunningStudio, eventually, running_studio, settings_for

from resources.run_tags import job_id_of, run_id_of

pytestmark = pytest.mark.stack
REPOSITORY = {"repositoryLocationName": "studio", "repositoryName": "__repository__"}
KEY = {"path": ["file_copy"]}
COPIER = {"path": ["workers", "file-copier"]}
FINISHED = ("SUCCESS", "FAILURE", "CANCELED")

LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
CHECKS = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode { assetChecksOrError { ... on AssetChecks {
    checks { name executionForLatestMaterialization { status runId evaluation {
      success severity metadataEntries { label ... on TextMetadataEntry { text } } } } } } } } }
}"""
LINEAGE = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode {
    dependencyKeys { path } assetMaterializations(limit: 1) { runId } } }
}"""
OBSERVED = """
query ($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) { ... on Asset { assetObservations(limit: 50) {
    metadataEntries { label ... on TextMetadataEntry { text }
      ... on IntMetadataEntry { intValue } ... on FloatMetadataEntry { floatValue } } } } }
}"""
AUTOMATION = """
query ($repository: RepositorySelector!) {
  schedulesOrError(repositorySelector: $repository) { ... on Schedules {
    results { name scheduleState { status } } } }
  sensorsOrError(repositorySelector: $repository) { ... on Sensors {
    results { name sensorState { status ticks(limit: 1) { status } } } } }
}"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio with Dagster's web server and daemon."""
    settings = settings_for(tmp_path_factory.mktemp("ui"))
    processes = ("broker", "database", "worker-test", "api", "dagster")
    with running_studio(settings, processes) as running:
        running.stack.supervisor.wait_ready()
        yield running


def ask(studio: RunningStudio, query: str, **variables: Any) -> Any:
    body = {"query": query, "variables": variables}
    answer = httpx.post(f"{studio.stack.dagster_url}/graphql", json=body, timeout=60).json()
    assert "errors" not in answer, answer
    return answer["data"]


def launch(studio: RunningStudio, job: str, **selected: Any) -> str:
    """Start a run as the UI does, and wait until it has succeeded."""
    selector = {**REPOSITORY, "pipelineName": job, **selected}
    params = {"selector": selector, "mode": "default", "runConfigData": {}}
    run_id = ask(studio, LAUNCH, params=params)["launchPipelineExecution"]["run"]["runId"]

    def ended() -> str | None:
        status = ask(studio, STATUS, id=run_id)["runOrError"]["status"]
        return status if status in FINISHED else None

    assert eventually(ended, timeout_s=60) == "SUCCESS"
    return run_id


def execution(studio: RunningStudio) -> dict[str, Any]:
    found = ask(studio, CHECKS, key=KEY)["assetNodeOrError"]["assetChecksOrError"]
    (check,) = found["checks"]
    assert check["name"] == "verification"
    return check["executionForLatestMaterialization"]


def test_the_checks_tab_shows_a_jobs_verification(studio: RunningStudio, pixel_png: bytes) -> None:
    answer = studio.copy(studio.upload(pixel_png))
    assert answer.status_code == 200, answer.text
    shown = execution(studio)
    assert shown["status"] == "SUCCEEDED"
    assert shown["runId"] == run_id_of(answer.json()["jobId"])
    assert shown["evaluation"]["severity"] == "WARN"


def test_a_check_run_from_the_ui_reads_the_newest_job_again(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    job_id = studio.copy(studio.upload(pixel_png)).json()["jobId"]
    selected = {"assetKey": KEY, "name": "verification"}
    run_id = launch(studio, "__ASSET_JOB", assetSelection=[], assetCheckSelection=[selected])
    shown = execution(studio)
    assert (shown["runId"], shown["status"]) == (run_id, "SUCCEEDED")
    told = {entry["label"]: entry.get("text") for entry in shown["evaluation"]["metadataEntries"]}
    assert told["job"] == job_id


def test_a_chain_shows_its_assets_with_what_they_are_made_from(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    answer = studio.client.post(
        "/api/pipelines/copy-join", json={"image": studio.upload(pixel_png)}
    )
    assert answer.status_code == 200, answer.text
    run_id = run_id_of(answer.json()["jobId"])
    lineage = {
        "copy_join/file_copy": set(),
        "copy_join/file_copy/copy": {"copy_join/file_copy"},
        "copy_join/files_join": {"copy_join/file_copy/copy", "copy_join/file_copy/cover"},
    }
    for key, made_from in lineage.items():
        node = ask(studio, LINEAGE, key={"path": key.split("/")})["assetNodeOrError"]
        assert {"/".join(one["path"]) for one in node["dependencyKeys"]} == made_from
        assert [one["runId"] for one in node["assetMaterializations"]] == [run_id]


def test_retention_runs_on_a_worker(studio: RunningStudio) -> None:
    run_id = launch(studio, "retention_job")
    # It is no job of the API's, and the worker's row does not call it one.
    assert studio.row()["currentJob"] is None
    answer = studio.client.get(f"/api/jobs/{job_id_of(run_id)}")
    assert answer.status_code == 404, answer.text


def test_a_batch_is_started_by_hand_and_the_daemon_queues_its_jobs(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    at = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    soon, tonight = (studio.copy(image, schedule=wish).json()["jobId"] for wish in (at, "batch"))
    assert studio.job(tonight)["status"] == "scheduled"
    launch(studio, "batch_job")
    eventually(lambda: studio.job(soon)["status"] == "completed", timeout_s=60)
    eventually(lambda: studio.job(tonight)["status"] == "completed", timeout_s=60)


def test_schedules_and_sensors_are_on(studio: RunningStudio) -> None:
    found = ask(studio, AUTOMATION, repository=REPOSITORY)
    schedules = {row["name"]: row["scheduleState"] for row in found["schedulesOrError"]["results"]}
    assert {name: state["status"] for name, state in schedules.items()} == {
        "retention": "RUNNING",
        "batch": "RUNNING",
    }
    sensors = {row["name"]: row["sensorState"] for row in found["sensorsOrError"]["results"]}
    assert {name: state["status"] for name, state in sensors.items()} == {
        "run_failures": "RUNNING",
        "scheduled_jobs": "RUNNING",
        "stranded_runs": "RUNNING",
        "worker_memory": "RUNNING",
    }


def test_ticks_record_workers_and_failures(studio: RunningStudio, pixel_png: bytes) -> None:
    def sensor_has_begun() -> bool:
        rows = ask(studio, AUTOMATION, repository=REPOSITORY)["sensorsOrError"]["results"]
        return all(row["sensorState"]["ticks"] for row in rows)

    eventually(sensor_has_begun, timeout_s=120)
    job_id = studio.copy(studio.upload(pixel_png), refuse=True).json()["jobId"]

    def failure() -> dict[str, Any] | None:
        for figures in observed(studio):
            if figures.get("job") == job_id:
                return figures
        return None

    assert eventually(failure, timeout_s=120) == {
        "failure": 1,
        "job": job_id,
        "code": "unusable_media",
        "message": "image: refused on request.",
    }

    def memory_seen() -> dict[str, Any] | None:
        # The first look may have been before the worker was there; the next is 30 s later.
        return next((figures for figures in observed(studio) if "rss_mib" in figures), None)

    memory = eventually(memory_seen, timeout_s=120)
    assert memory["processes"] == 1
    assert memory["rss_mib"] > 50
    text = studio.client.get("/metrics").text
    counted = 'studio_run_failures_total{code="unusable_media",operation="file_copy"}'
    assert f"{counted} 1.0" in text


def observed(studio: RunningStudio) -> list[dict[str, Any]]:
    rows = ask(studio, OBSERVED, key=COPIER)["assetOrError"].get("assetObservations", [])
    return [
        {
            entry["label"]: next(entry[kind] for kind in entry if kind != "label")
            for entry in row["metadataEntries"]
        }
        for row in rows
    ]
