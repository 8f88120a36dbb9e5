"""Runs that nobody has: found on a real instance and a real broker."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import redis
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from launched_runs import create, launch, launching_instance

from resources import run_ownership, signals
from resources.run_tags import QUEUE_TAG, SCHEDULED_FOR_TAG
from studio_pipelines.stranded_runs import rescue_stranded

pytestmark = pytest.mark.stack


@pytest.fixture
def instance(broker_url: str, tmp_path: Path) -> Iterator[DagsterInstance]:
    with launching_instance(broker_url, tmp_path) as instance:
        yield instance


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    yield client
    client.close()


def launched(instance: DagsterInstance) -> DagsterRun:
    return launch(instance, **{QUEUE_TAG: "copy"})


def rescue(
    instance: DagsterInstance, broker: redis.Redis, *, after_s: float
) -> dict[str, list[str]]:
    return rescue_stranded(instance, broker, datetime.now(UTC) + timedelta(seconds=after_s))


def take_from_broker(broker: redis.Redis) -> None:
    """Lose the tasks, as a worker does that dies when it has just taken one."""
    broker.delete("copy", *(f"copy:{priority}" for priority in range(1, 10)))


def test_a_run_lost_between_broker_and_worker_is_queued_again_once(
    instance: DagsterInstance, broker: redis.Redis
) -> None:
    run = launched(instance)
    assert rescue(instance, broker, after_s=60) == {"requeued": [], "canceled": []}
    take_from_broker(broker)
    assert rescue(instance, broker, after_s=1)["requeued"] == []
    assert rescue(instance, broker, after_s=60)["requeued"] == [run.run_id]
    assert signals.queued_run_ids(broker, "copy") == {run.run_id}
    take_from_broker(broker)
    assert rescue(instance, broker, after_s=60)["requeued"] == []


def test_a_run_whose_mark_was_lost_too_is_found(
    instance: DagsterInstance, broker: redis.Redis
) -> None:
    run = launched(instance)
    broker.flushall()
    assert rescue(instance, broker, after_s=60)["requeued"] == [run.run_id]


def test_a_run_in_hand_is_left_alone(instance: DagsterInstance, broker: redis.Redis) -> None:
    run = launched(instance)
    take_from_broker(broker)
    assert run_ownership.claim(broker, run.run_id, "image@a:1")
    assert rescue(instance, broker, after_s=60)["requeued"] == []


def test_a_resumed_run_that_is_lost_again_is_found(
    instance: DagsterInstance, broker: redis.Redis
) -> None:
    run = launched(instance)
    start = dg.DagsterEvent(event_type_value="PIPELINE_START", job_name=run.job_name)
    instance.report_dagster_event(start, run.run_id)
    take_from_broker(broker)
    assert rescue(instance, broker, after_s=60)["requeued"] == [run.run_id]


def test_a_submission_that_broke_off_is_ended(
    instance: DagsterInstance, broker: redis.Redis
) -> None:
    run = create(instance, **{QUEUE_TAG: "copy"})
    create(instance, **{QUEUE_TAG: "copy", SCHEDULED_FOR_TAG: datetime.now(UTC).isoformat()})
    assert rescue(instance, broker, after_s=30)["canceled"] == []
    assert rescue(instance, broker, after_s=90) == {"requeued": [], "canceled": [run.run_id]}
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is DagsterRunStatus.CANCELED
