"""The sensor on a real broker with heartbeats in it."""

from collections.abc import Iterator

import dagster as dg
import pytest
import redis
from twelfth_operation.file_copy import OPERATION

from resources import signals
from resources.signals import WorkerBeat
from studio_pipelines import catalogue
from studio_pipelines.sensors import worker_memory_sensor

pytestmark = pytest.mark.stack
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


def observed(client: redis.Redis, lane: str = OPERATION.lane, **more: object) -> list[object]:
    now_s = float(client.time()[0])
    beat = WorkerBeat(f"{lane}@here", lane, "ready", 1, "here", now_s, 100.5, **more)
    signals.publish_beat(client, beat)
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
    assert {name: value.value for name, value in observation.metadata.items()} == {
        "rss_mib": 100.5,
        "device": "cpu",
        **measured,
        "queue_depth": 2,
    }


def test_a_lane_without_operations_is_passed_over(client: redis.Redis) -> None:
    assert observed(client, lane="elsewhere") == []
