"""A twelfth operation is one file: everything else about it is derived."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from running_studio import COPY_ROUTE, RunningStudio
from twelfth_operation import file_copy

from resources.run_tags import run_id_of

ASKS_DAGSTER = """\
import json
import dagster as dg
from studio_pipelines.definitions import defs
from studio_pipelines.lanes import lanes
from studio_pipelines.sensors import worker_memory_sensor
result = worker_memory_sensor(dg.build_sensor_context())
print(json.dumps({
    "jobs": [job.name for job in defs.get_repository_def().get_all_jobs()],
    "lanes": {lane.name: lane.queues for lane in lanes()},
    "observed": [event.asset_key.to_user_string() for event in result.asset_events],
}))
"""


def test_it_is_one_file() -> None:
    package = Path(str(file_copy.__file__)).parent
    files = [path for path in package.glob("*.py") if path.read_text().strip()]
    assert [path.name for path in files] == ["file_copy.py"]
    assert importlib.util.find_spec("studio_pipelines.operations.file_copy") is None


@pytest.mark.stack
def test_it_takes_a_request(studio: RunningStudio, pixel_png: bytes) -> None:
    answer = studio.copy(studio.upload(pixel_png))
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["verification"] == {"passed": True}
    assert run_id_of(answer.json()["jobId"])


@pytest.mark.stack
def test_it_is_in_the_api_document(studio: RunningStudio) -> None:
    document = studio.client.get("/openapi.json").json()
    described = document["paths"][COPY_ROUTE]["post"]
    assert described["summary"] == "Copy a file."
    assert described["operationId"] == "testCopy"
    content = described["requestBody"]["content"]
    schemas = document["components"]["schemas"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/FileCopyRequest"}
    schema = schemas["FileCopyRequest"]
    assert schema["properties"]["secondsTaken"]["description"] == "How long to take."
    assert schema["additionalProperties"] is False
    assert content["multipart/form-data"]["schema"] == {"$ref": "#/components/schemas/FileCopyForm"}
    form = schemas["FileCopyForm"]["properties"]
    file = {"type": "string", "format": "binary"}
    assert form["image"]["anyOf"] == [file, {"type": "array", "items": file, "minItems": 1}]
    assert form["secondsTaken"] == schema["properties"]["secondsTaken"]


@pytest.mark.stack
def test_it_has_a_status_row_and_a_place_in_the_catalogue(studio: RunningStudio) -> None:
    assert studio.row("file-copier")["route"] == COPY_ROUTE
    rows = studio.client.get("/api/operations").json()["operations"]
    assert rows[-1]["name"] == "file_copy"


@pytest.mark.stack
def test_it_has_a_job_a_queue_and_an_observation(studio: RunningStudio) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", ASKS_DAGSTER],
        env=dict(studio.stack.env),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(answer.stdout.splitlines()[-1])
    assert "file_copy_job" in told["jobs"]
    queues = told["lanes"]["test"]
    assert queues[0] == "file_copy"
    assert queues[-1] == "dagster"
    assert all(queue.startswith("chain.") for queue in queues[1:-1])
    assert "workers/file-copier" in told["observed"]
