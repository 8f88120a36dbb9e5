"""The sensors on a real broker with heartbeats in it."""

from collections.abc import Iterator

import dagster as dg
import pytest
import redis
from twelfth_operation.file_copy import OPERATION

from resources import signals, telemetry
from resources.run_tags import OPERATION_TAG, job_id_of
from resources.signals import WorkerBeat
from studio_pipelines import catalogue
from studio_pipelines.sensors import run_failure_sensor, worker_memory_sensor

pytestmark = pytest.mark.stack
PROBLEM = {
    "status": 422,
    "code": "unusable_media",
    "message": "It is empty.",
    "field": "image",
    "hint": None,
}
MEASURED = {"device": "cuda:0", "vram_used_mib": 10.5, "vram_peak_mib": 20.5, "vram_total_mib": 40}


@pytest.fixture
def client(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A broker, and a catalogue with the twelfth operation alone."""
    monkeypatch.setenv("STUDIO_REDIS_URL", broker_url)
    monkeypatch.setenv("STUDIO_OPERATION_PACKAGES", '["twelfth_operation"]')
    catalogue.operations.cache_clear()
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    yield client
    catalogue.operations.cache_clear()


def beat(client: redis.Redis, name: str, **more: object) -> None:
    lane, _, host = name.partition("@")
    now_s = float(client.time()[0])
    signals.publish_beat(client, WorkerBeat(name, lane, "ready", 1, host, now_s, 100.5, **more))


def figures_of(observation: object) -> dict[str, object]:
    assert isinstance(observation, dg.AssetObservation)
    return {name: value.value for name, value in observation.metadata.items()}


def observed(client: redis.Redis, lane: str = OPERATION.lane, **more: object) -> list[object]:
    beat(client, f"{lane}@here", **more)
    result = worker_memory_sensor(dg.build_sensor_context())
    assert isinstance(result, dg.SensorResult)
    assert not result.run_requests
    return list(result.asset_events)


@pytest.mark.parametrize("measured", [{}, MEASURED])
def test_a_beat_becomes_an_observation_of_its_worker(
    client: redis.Redis, measured: dict[str, object]
) -> None:
    client.lpush("file_copy:4", "task", "task")
    (observation,) = observed(client, **measured)
    assert isinstance(observation, dg.AssetObservation)
    assert observation.asset_key == dg.AssetKey(["workers", "file-copier"])
    assert figures_of(observation) == {
        "processes": 1,
        "rss_mib": 100.5,
        "device": "cpu",
        **measured,
        "queue_depth": 2,
    }


def test_a_queue_is_recorded_also_when_no_worker_lives(client: redis.Redis) -> None:
    client.lpush("file_copy:4", "task")
    (observation,) = observed(client, lane="elsewhere")
    assert figures_of(observation) == {"processes": 0, "queue_depth": 1}


def test_several_processes_of_a_lane_are_summed_and_told_apart(client: redis.Redis) -> None:
    beat(client, "test@there", device="cuda:0", vram_used_mib=700.0, vram_peak_mib=900.0)
    (observation,) = observed(client)
    assert figures_of(observation) == {
        "processes": 2,
        "device": "cpu, cuda:0",
        "rss_mib": 201.0,
        "vram_used_mib": 700.0,
        "vram_peak_mib": 900.0,
        "rss_mib test@here": 100.5,
        "rss_mib test@there": 100.5,
        "vram_used_mib test@there": 700.0,
        "queue_depth": 0,
    }


def test_without_a_broker_the_tick_is_skipped(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_REDIS_URL", "redis://127.0.0.1:1/0")
    result = worker_memory_sensor(dg.build_sensor_context())
    assert isinstance(result, dg.SensorResult)
    assert result.skip_reason
    assert not result.asset_events


@dg.op
def fails(context: dg.OpExecutionContext) -> None:
    if "told" in context.run_tags:
        raise dg.Failure(metadata={"problem": dg.MetadataValue.json(PROBLEM)})
    raise RuntimeError("surprise")


@pytest.mark.parametrize(
    ("tags", "operation", "code"),
    [
        ({"told": "yes", OPERATION_TAG: "file_copy"}, "file_copy", "unusable_media"),
        ({OPERATION_TAG: "file_copy"}, "file_copy", "operation_failed"),
        ({}, "failing", "operation_failed"),
    ],
)
def test_a_failed_run_is_counted_and_shown_on_its_worker(
    client: redis.Redis, tags: dict[str, str], operation: str, code: str
) -> None:
    @dg.job(tags=tags)
    def failing() -> None:
        fails()

    with dg.DagsterInstance.ephemeral() as instance:
        result = failing.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failures",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
        )
        run_failure_sensor(context.for_run_failure())
        key = dg.AssetKey(["workers", "file-copier"])
        found = instance.fetch_observations(key, limit=9).records
    series = telemetry.series_of(client.hgetall(telemetry.METRICS_KEY))
    labels = {"operation": operation, "code": code}
    assert list(series) == [telemetry.Series("studio_run_failures_total", labels, 1)]
    if not tags:
        assert found == []
        return
    (record,) = found
    told = figures_of(record.event_log_entry.asset_observation)
    assert told["failure"] == 1
    assert (told["job"], told["code"]) == (job_id_of(result.run_id), code)
