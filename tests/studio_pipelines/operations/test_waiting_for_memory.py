"""A job waits for memory that another process has leased, tells so, and can be canceled there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_studio import RunningStudio, eventually

from resources.devices import CPU, Terms
from resources.memory_readings import read_tenants
from resources.tenant import Tenant
from resources.wish import Wish

pytestmark = pytest.mark.stack


@pytest.fixture
def everything_taken(media_studio: RunningStudio) -> Iterator[Tenant]:
    """A process that holds all the memory that may be leased on this machine."""
    url = media_studio.stack.env["STUDIO_REDIS_URL"]
    greedy = Tenant(CPU, Terms(redis_url=url), name="greedy")
    greedy.acquire(Wish(greedy.capacity_mib))
    yield greedy
    greedy.leave()


def begin_grading(studio: RunningStudio, samples: Path) -> str:
    image = studio.upload((samples / "tower.jpg").read_bytes())
    answer = studio.client.post("/api/grading/apply", json={"image": image, "async": True})
    return answer.json()["jobId"]


def waits(studio: RunningStudio, job_id: str) -> bool:
    return (studio.job(job_id).get("progress") or {}).get("stage") == "waiting for memory"


def test_it_goes_on_when_the_memory_is_free(
    media_studio: RunningStudio, samples: Path, everything_taken: Tenant
) -> None:
    job_id = begin_grading(media_studio, samples)
    eventually(lambda: waits(media_studio, job_id), timeout_s=60)
    assert media_studio.job(job_id)["status"] == "processing"
    everything_taken.release()
    metrics = media_studio.job_once(job_id, "completed")["data"]["metrics"]
    assert metrics["device"] == CPU
    assert metrics["waitedMs"] > 0
    assert metrics["peakRamMiB"] > 0
    assert metrics["oomSteps"] == []
    row = media_studio.row("grading-engine")
    assert row["vram"]["reservedMiB"] in (None, 0)
    assert {model["state"] for model in row["models"]} <= {"on_disk", "absent"}


def test_it_can_be_canceled_while_it_waits(
    media_studio: RunningStudio, samples: Path, everything_taken: Tenant
) -> None:
    job_id = begin_grading(media_studio, samples)
    eventually(lambda: waits(media_studio, job_id), timeout_s=60)
    media_studio.client.post(f"/api/jobs/{job_id}/cancel")
    media_studio.job_once(job_id, "canceled")
    rows = {one.tenant: one for one in read_tenants(media_studio.broker)}
    assert {one.phase for one in rows.values() if one.tenant != "greedy"} == {"idle"}
    assert everything_taken.is_engaged


def test_its_deadline_holds_while_it_waits(
    media_studio: RunningStudio, samples: Path, everything_taken: Tenant
) -> None:
    assert everything_taken.is_engaged
    image = media_studio.upload((samples / "tower.jpg").read_bytes())
    answer = media_studio.client.post(
        "/api/grading/apply", json={"image": image, "async": True, "timeoutSeconds": 2}
    )
    record = media_studio.job_once(answer.json()["jobId"], "failed")
    assert record["error"]["code"] == "deadline_exceeded"
