"""The door to runs, opened in this process on the servers of a running studio."""

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest
from running_studio import RunningStudio
from twelfth_operation.file_copy import OPERATION

from api.errors import WorkersAway
from api.job_order import JobOrder, OpOrder
from api.submission import JobSubmissionService
from api.workforce import Workforce
from resources.artifacts import ArtifactStore
from resources.run_tags import MAX_RUNTIME_TAG, OWNER_TAG, PRIORITY_TAG
from studio_pipelines.instance import open_instance

pytestmark = pytest.mark.stack


@pytest.fixture
def deaf(studio: RunningStudio, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSubmissionService]:
    """A service that never hears a run end: it has not begun to listen."""
    for name in ("DAGSTER_HOME", "STUDIO_DATABASE_URL", "STUDIO_REDIS_URL"):
        monkeypatch.setenv(name, studio.stack.env[name])
    instance = open_instance()
    store = ArtifactStore(url=studio.stack.settings.asset_url)
    yield JobSubmissionService(instance, studio.stack.env["STUDIO_REDIS_URL"], store)
    instance.dispose()


def test_the_end_is_found_though_nobody_told_it(
    studio: RunningStudio, pixel_png: bytes, deaf: JobSubmissionService
) -> None:
    job_id = studio.begin(studio.upload(pixel_png), secondsTaken=0.5)
    outcome = asyncio.run(deaf.wait(job_id, 10))
    assert outcome is not None
    assert outcome["status"] == "completed"
    assert outcome["data"]["verification"] == {"passed": True}


def test_a_wait_ends_with_its_time(
    studio: RunningStudio, pixel_png: bytes, deaf: JobSubmissionService
) -> None:
    job_id = studio.begin(studio.upload(pixel_png), secondsTaken=30)

    async def wait_and_cancel() -> dict[str, Any] | None:
        start_s = time.monotonic()
        assert await deaf.wait(job_id, 0.3) is None
        assert time.monotonic() - start_s >= 0.3
        assert await deaf.cancel(job_id)
        return await deaf.wait(job_id, 10)

    assert asyncio.run(wait_and_cancel()) == {"status": "canceled"}


def test_a_broker_that_hangs_does_not_keep_the_end_back(
    studio: RunningStudio, pixel_png: bytes, deaf: JobSubmissionService
) -> None:
    job_id = studio.copy(studio.upload(pixel_png)).json()["jobId"]
    broker = studio.process("broker")
    broker.suspend()
    try:
        outcome = asyncio.run(asyncio.wait_for(deaf.wait(job_id, 8), 10))
    finally:
        broker.resume()
    assert outcome is not None
    assert outcome["status"] == "completed"


def test_an_end_that_came_before_the_wait_is_known(
    studio: RunningStudio, pixel_png: bytes, deaf: JobSubmissionService
) -> None:
    job_id = studio.copy(studio.upload(pixel_png)).json()["jobId"]
    outcome = asyncio.run(deaf.wait(job_id, 0.5))
    assert outcome is not None
    assert outcome["status"] == "completed"


def test_a_lane_without_a_worker_is_told(studio: RunningStudio) -> None:
    workforce = Workforce(studio.stack.env["STUDIO_REDIS_URL"])
    asyncio.run(workforce.require(OPERATION))
    elsewhere = dataclasses.replace(OPERATION, lane="elsewhere")
    with pytest.raises(WorkersAway, match="file-copier"):
        asyncio.run(workforce.require(elsewhere))


def test_an_order_becomes_the_config_and_the_tags_of_its_run() -> None:
    copy = OpOrder({"image": "ast_1"}, {"seconds_taken": 1.0})
    order = JobOrder(OPERATION, {"file_copy": copy}, priority=7, timeout_s=60)
    assert order.run_config() == {
        "ops": {"file_copy": {"config": {"seconds_taken": 1.0}, "inputs": {"image": "ast_1"}}}
    }
    assert order.tags() == {OWNER_TAG: "local", PRIORITY_TAG: "7", MAX_RUNTIME_TAG: "60"}
