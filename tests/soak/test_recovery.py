"""One process killed at one moment: the work that it had is finished once, by what comes after."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import pytest
from running_studio import RunningStudio, eventually, problem_in, running_studio, settings_for
from storage_checks import RunStorage, assert_each_completed_once

from resources.run_tags import job_id_of

pytestmark = [pytest.mark.stack, pytest.mark.long]
# Machines that run tests are busy; how long it takes is measured by the chaos test.
RECOVERED_WITHIN_S = 90
PROCESSES = ("broker", "database", "worker-test", "api", "dagster-daemon")
KILL_ROUTE = "/api/test/kill"


@dataclass
class Patient:
    """The studio that is hurt, and everything that was asked of it so far."""

    studio: RunningStudio
    image: str
    jobs: list[str] = field(default_factory=list)

    def begin(self, **fields: Any) -> str:
        job_id = self.studio.begin(self.image, **fields)
        self.jobs.append(job_id)
        return job_id

    def begin_running(self, seconds: float) -> str:
        job_id = self.begin(secondsTaken=seconds)
        self.studio.job_once(job_id, "processing")
        return job_id

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job's record once it has ended; the API may be away meanwhile."""

        def look() -> dict[str, Any] | None:
            try:
                record = self.studio.job(job_id)
            except httpx.TransportError:
                return None
            return record if record["status"] in ("completed", "failed", "canceled") else None

        return eventually(look, timeout_s=RECOVERED_WITHIN_S)

    def assert_whole(self) -> None:
        for job_id in self.jobs:
            self.ended(job_id)
        assert_each_completed_once(self.studio, self.jobs, [self.image])


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, pixel_png: bytes) -> Iterator[Patient]:
    settings = settings_for(tmp_path_factory.mktemp("recovery"))
    packages = (*settings.operation_packages, "poisoned_operation")
    settings = settings.model_copy(update={"operation_packages": packages})
    with running_studio(settings, PROCESSES) as studio:
        eventually(RunStorage(studio).monitored_at_s, timeout_s=60)
        yield Patient(studio, studio.upload(pixel_png))


@pytest.fixture
def patient(hospital: Patient) -> Patient:
    """The studio, in health again: a job goes through."""

    def takes_work() -> bool:
        try:
            answer = hospital.studio.copy(hospital.image)
        except httpx.TransportError:
            return False
        if answer.status_code in (200, 202):
            hospital.jobs.append(answer.json()["jobId"])
        return answer.status_code == 200

    eventually(takes_work, timeout_s=RECOVERED_WITHIN_S)
    return hospital


def child_of(studio: RunningStudio) -> psutil.Process:
    """The warm process that runs the jobs."""
    return studio.process("worker-test").children()[0]


def test_the_process_of_a_running_job_is_killed(patient: Patient) -> None:
    job_id = patient.begin_running(2)
    child_of(patient.studio).kill()
    assert patient.ended(job_id)["status"] == "completed"
    patient.assert_whole()


def test_the_worker_of_a_running_job_is_killed_while_others_wait(patient: Patient) -> None:
    running = patient.begin_running(2)
    waiting = [patient.begin() for _ in range(3)]
    patient.studio.process("worker-test").kill()
    for job_id in (running, *waiting):
        assert patient.ended(job_id)["status"] == "completed"
    patient.assert_whole()


def test_the_worker_is_killed_between_taking_a_job_and_handing_it_on(patient: Patient) -> None:
    child_of(patient.studio).suspend()
    job_id = patient.begin()
    eventually(lambda: patient.studio.row()["queueDepth"] == 0)
    patient.studio.process("worker-test").kill()
    assert patient.ended(job_id)["status"] == "completed"
    patient.assert_whole()


def test_the_process_is_killed_between_taking_a_job_and_beginning_it(patient: Patient) -> None:
    child, broker = child_of(patient.studio), patient.studio.broker
    left_before = broker.hlen("unacked")
    child.suspend()
    job_id = patient.begin()
    eventually(lambda: broker.hlen("unacked") > left_before)
    with RunStorage(patient.studio).locked():
        child.resume()
        # Acknowledged, so the broker has forgotten it; the process waits for storage.
        eventually(lambda: broker.hlen("unacked") == left_before)
        child.kill()
        child.wait(timeout=10)
    assert patient.ended(job_id)["status"] == "completed"
    patient.assert_whole()


def test_the_broker_is_killed_while_jobs_run_and_wait(patient: Patient) -> None:
    running = patient.begin_running(3)
    waiting = [patient.begin() for _ in range(3)]
    patient.studio.process("broker").kill()
    refused = 0
    while (answer := patient.studio.copy(patient.image, **{"async": True})).status_code != 202:
        problem = problem_in(answer, 503, answer.json()["error"]["code"])
        assert problem["code"] in ("broker_unavailable", "workers_away")
        assert int(answer.headers["Retry-After"]) > 0
        refused += 1
        time.sleep(0.05)
    assert refused
    meanwhile = answer.json()["jobId"]
    patient.jobs.append(meanwhile)
    for job_id in (running, *waiting, meanwhile):
        assert patient.ended(job_id)["status"] == "completed"
    patient.assert_whole()


def test_the_api_is_killed_while_a_caller_waits(patient: Patient) -> None:
    before = set(RunStorage(patient.studio).statuses())
    with ThreadPoolExecutor(1) as threads:
        caller = threads.submit(patient.studio.copy, patient.image, secondsTaken=3)
        [run_id] = eventually(lambda: RunStorage(patient.studio).begun("file_copy"))
        patient.studio.process("api").kill()
        with pytest.raises(httpx.TransportError):
            caller.result()
    assert set(RunStorage(patient.studio).statuses()) - before == {run_id}
    patient.jobs.append(job_id_of(run_id))
    assert patient.ended(job_id_of(run_id))["status"] == "completed"
    patient.assert_whole()


@pytest.mark.soak
def test_the_daemon_is_killed_and_monitors_again(patient: Patient) -> None:
    patient.studio.process("dagster-daemon").kill()
    # Without it jobs run as ever; what it finds on its return is a job that lost its process.
    assert patient.ended(patient.begin())["status"] == "completed"
    job_id = patient.begin_running(2)
    child_of(patient.studio).kill()
    assert patient.ended(job_id)["status"] == "completed"
    patient.assert_whole()


def test_a_job_that_kills_its_process_each_time_is_stopped_and_named(patient: Patient) -> None:
    body = {"image": patient.image, "async": True}
    job_id = patient.studio.client.post(KILL_ROUTE, json=body).json()["jobId"]
    record = eventually(
        lambda: (found := patient.studio.job(job_id))["status"] == "failed" and found,
        timeout_s=2 * RECOVERED_WITHIN_S,
    )
    assert record["error"]["code"] == "worker_lost"
    assert patient.ended(patient.begin())["status"] == "completed"
    patient.assert_whole()


def test_a_process_that_ends_by_itself_is_no_worse_than_one_that_is_killed(
    patient: Patient,
) -> None:
    job_id = patient.begin_running(2)
    os.kill(child_of(patient.studio).pid, signal.SIGTERM)
    assert patient.ended(job_id)["status"] == "completed"
    patient.assert_whole()
