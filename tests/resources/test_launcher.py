"""The launcher on a real Dagster instance and a real broker."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import redis
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.launcher import ResumeRunContext, WorkerStatus
from launched_runs import launch, launching_instance
from running_studio import eventually

from resources import run_ownership, signals, waiting_line
from resources.launcher import WarmCeleryRunLauncher
from resources.run_tags import LANE_TAG, OPERATION_TAG, PRIORITY_TAG, QUEUE_TAG, RESUMED_TAG
from studio_pipelines.embedded_servers import embedded_broker
from studio_pipelines.supervisor import Supervisor

pytestmark = pytest.mark.stack


@pytest.fixture
def instance(broker_url: str, tmp_path: Path) -> Iterator[DagsterInstance]:
    redis.Redis.from_url(broker_url).flushall()
    with launching_instance(broker_url, tmp_path) as instance:
        yield instance


@pytest.fixture
def broker(broker_url: str) -> redis.Redis:
    return redis.Redis.from_url(broker_url, decode_responses=True)


def state(instance: DagsterInstance, run: DagsterRun) -> DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


@pytest.mark.parametrize(
    ("priority", "key"), [("9", "copy"), ("0", "copy:9"), ("12", "copy"), (None, "copy:4")]
)
def test_a_run_becomes_one_task_in_its_queue(
    instance: DagsterInstance, broker: redis.Redis, priority: str | None, key: str
) -> None:
    run = launch(instance, **{QUEUE_TAG: "copy"}, **({PRIORITY_TAG: priority} if priority else {}))
    assert broker.llen(key) == 1
    task = json.loads(broker.lindex(key, 0))
    assert task["headers"]["id"] == run.run_id
    assert task["headers"]["task"] == "studio.execute_run"
    assert broker.get(run_ownership.heartbeat_key(run.run_id)) == "queued"
    health = instance.run_launcher.check_run_worker_health(run)
    assert health.status is WorkerStatus.RUNNING


def test_a_run_that_waits_ends_at_once(instance: DagsterInstance, broker: redis.Redis) -> None:
    run = launch(instance, **{QUEUE_TAG: "copy"})
    assert state(instance, run) is DagsterRunStatus.STARTING
    assert instance.run_launcher.terminate(run.run_id)
    assert state(instance, run) is DagsterRunStatus.CANCELED
    outcome = json.loads(broker.get(signals.outcome_key(run.run_id)))
    assert outcome == {"runId": run.run_id, "status": "canceled"}
    assert not instance.run_launcher.terminate(run.run_id)


def test_a_run_in_hand_is_asked_to_stop(instance: DagsterInstance, broker: redis.Redis) -> None:
    run = launch(instance, **{QUEUE_TAG: "copy"})
    instance.report_dagster_event(
        dg.DagsterEvent(event_type_value="PIPELINE_START", job_name=run.job_name), run.run_id
    )
    assert state(instance, run) is DagsterRunStatus.STARTED
    assert instance.run_launcher.terminate(run.run_id)
    assert state(instance, run) is DagsterRunStatus.CANCELING
    assert broker.lrange(signals.cancel_key(run.run_id), 0, -1) == ["cancel"]
    assert broker.get(signals.outcome_key(run.run_id)) is None


def test_a_run_whose_worker_fell_silent_is_unhealthy(
    instance: DagsterInstance, broker: redis.Redis
) -> None:
    run = launch(instance, **{QUEUE_TAG: "copy"})
    broker.delete(run_ownership.heartbeat_key(run.run_id))

    def health() -> WorkerStatus:
        return instance.run_launcher.check_run_worker_health(run).status

    # The broker of these tests may have started a moment ago: then nobody is called dead yet.
    eventually(lambda: health() is WorkerStatus.FAILED)


def test_after_a_restart_of_the_broker_workers_have_time_to_speak(
    instance: DagsterInstance, tmp_path: Path
) -> None:
    fresh = embedded_broker(tmp_path / "fresh")
    supervisor = Supervisor(tmp_path)
    run = launch(instance, **{QUEUE_TAG: "copy"})
    launcher = WarmCeleryRunLauncher(broker=fresh.url, default_queue="copy")
    away = launcher.check_run_worker_health(run)
    supervisor.start([fresh.process])
    supervisor.wait_ready()
    try:
        just_back = launcher.check_run_worker_health(run)
    finally:
        supervisor.stop()
    assert away.status is WorkerStatus.RUNNING
    assert "away" in (away.msg or "")
    assert just_back.status is WorkerStatus.RUNNING
    assert "just come back" in (just_back.msg or "")


def test_a_run_that_waits_has_a_place_and_one_canceled_has_none(
    instance: DagsterInstance, broker: redis.Redis
) -> None:
    tags = {QUEUE_TAG: "copy", LANE_TAG: "test", OPERATION_TAG: "copy"}
    first, second = launch(instance, **tags), launch(instance, **tags)
    urgent = launch(instance, **tags, **{PRIORITY_TAG: "9"})

    def position(run: DagsterRun) -> int | None:
        place = waiting_line.place_of(broker, "test", "copy", run.run_id, [])
        return place and place.position

    assert [position(run) for run in (first, second, urgent)] == [2, 3, 1]
    assert signals.queued_run_ids(broker, "copy") == {run.run_id for run in (first, second, urgent)}
    instance.run_launcher.terminate(first.run_id)
    assert [position(run) for run in (first, second, urgent)] == [None, 2, 1]


def test_a_resumed_run_goes_before_all_that_wait(
    instance: DagsterInstance, broker: redis.Redis
) -> None:
    waits, lost = (launch(instance, **{QUEUE_TAG: "copy", PRIORITY_TAG: "8"}) for _ in range(2))
    broker.delete("copy:1")
    launcher = instance.run_launcher
    assert isinstance(launcher, WarmCeleryRunLauncher)
    launcher.send(waits, resume=False)
    launcher.resume_run(ResumeRunContext(lost, workspace=None, resume_attempt_number=1))
    assert signals.queued_run_ids(broker, "copy") == {waits.run_id, lost.run_id}
    assert json.loads(broker.lindex("copy", 0))["headers"]["id"] == lost.run_id
    found = instance.get_run_by_id(lost.run_id)
    assert found is not None
    assert found.tags[RESUMED_TAG] == "1"


def test_a_run_that_there_is_not_cannot_be_stopped(instance: DagsterInstance) -> None:
    launcher = instance.run_launcher
    assert isinstance(launcher, WarmCeleryRunLauncher)
    assert launcher.terminate("11111111-1111-1111-1111-111111111111") is False
