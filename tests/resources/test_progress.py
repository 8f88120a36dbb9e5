"""Telling progress, on a real server."""

import json
import time

import dagster as dg
import pytest
import redis

from resources import signals
from resources.progress import MIN_INTERVAL_S, Progress

pytestmark = pytest.mark.stack


def told(broker_url: str, run_id: str) -> dict[str, object] | None:
    text = redis.Redis.from_url(broker_url).get(signals.progress_key(run_id))
    return json.loads(text) if text else None


@pytest.fixture
def progress(broker_url: str) -> Progress:
    redis.Redis.from_url(broker_url).flushall()
    progress = Progress(redis_url=broker_url)
    progress.setup_for_execution(dg.build_init_resource_context())
    progress._run_id = "run-1"
    return progress


def test_it_is_told_under_the_run(progress: Progress, broker_url: str) -> None:
    progress.report(0.12345, "read")
    assert told(broker_url, "run-1") == {"fraction": 0.1235, "stage": "read"}
    assert told(broker_url, "run-2") is None


@pytest.mark.parametrize(("given", "kept"), [(-0.5, 0.0), (1.5, 1.0), (1, 1.0)])
def test_it_stays_between_nothing_and_all(
    progress: Progress, broker_url: str, given: float, kept: float
) -> None:
    progress.report(given, "read")
    assert told(broker_url, "run-1") == {"fraction": kept, "stage": "read"}


def test_a_fresh_one_is_not_replaced_unless_the_stage_changes(
    progress: Progress, broker_url: str
) -> None:
    progress.report(0.1, "read")
    progress.report(0.2, "read")
    assert told(broker_url, "run-1") == {"fraction": 0.1, "stage": "read"}
    progress.report(0.3, "write")
    assert told(broker_url, "run-1") == {"fraction": 0.3, "stage": "write"}
    time.sleep(MIN_INTERVAL_S)
    progress.report(0.4, "write")
    assert told(broker_url, "run-1") == {"fraction": 0.4, "stage": "write"}
