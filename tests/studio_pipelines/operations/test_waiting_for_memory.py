"""A job waits for memory that another process has leased, tells so, and can be canceled there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_studio import RunningStudio, eventually

from resources.devices import CPU, Terms
from resources.memory_readings import read_tenants
from resources.tenant import Tenant
from resources.wish import Wish
from studio_pipelines.client import JobCanceled, JobFailed

pytestmark = pytest.mark.stack


@pytest.fixture
def everything_taken(media_studio: RunningStudio) -> Iterator[Tenant]:
    """A process that holds all the memory that may be leased on this machine."""
    url = media_studio.stack.env["STUDIO_REDIS_URL"]
    greedy = Tenant(CPU, Terms(redis_url=url), name="greedy")
    greedy.acquire(Wish(greedy.capacity_mib))
    yield greedy
    greedy.leave()


def begin_grading(studio: RunningStudio, samples: Path, **fields: Any) -> str:
    image = studio.upload((samples / "tower.jpg").read_bytes())
    return studio.studio.submit("grading_apply", image=image, **fields).job_id


def waits(studio: RunningStudio, job_id: str) -> bool:
    return studio.studio.job(job_id).progress.stage == "waiting for memory"


def test_it_goes_on_when_the_memory_is_free(
    media_studio: RunningStudio, samples: Path, everything_taken: Tenant
) -> None:
    job_id = begin_grading(media_studio, samples)
    eventually(lambda: waits(media_studio, job_id), timeout_s=60)
    assert media_studio.studio.job(job_id).status == "processing"
    everything_taken.release()
    data = media_studio.studio.wait(job_id).data
    assert data is not None
    metrics = data.metrics
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
    media_studio.studio.cancel(job_id)
    with pytest.raises(JobCanceled):
        media_studio.studio.wait(job_id)
    rows = {one.tenant: one for one in read_tenants(media_studio.broker)}
    assert {one.phase for one in rows.values() if one.tenant != "greedy"} == {"idle"}
    assert everything_taken.is_engaged


def test_its_deadline_holds_while_it_waits(
    media_studio: RunningStudio, samples: Path, everything_taken: Tenant
) -> None:
    assert everything_taken.is_engaged
    job_id = begin_grading(media_studio, samples, timeout_seconds=2)
    with pytest.raises(JobFailed) as failed:
        media_studio.studio.wait(job_id)
    assert failed.value.code == "deadline_exceeded"
