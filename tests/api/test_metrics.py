"""The metrics of the whole studio, on a real broker, read back by Prometheus' own parser."""

import math
import socket
from collections.abc import Iterator

import psutil
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from running_studio import RunningStudio, eventually

from api.metrics import StudioCollector, stored_metrics, worker_metrics
from resources import signals, telemetry
from resources.job_metrics import JobTimes, additions_of, record_job
from resources.signals import WorkerBeat

SAMPLES = list[tuple[dict[str, str], float]]


class Given:
    """A collector of metrics that are there already."""

    def __init__(self, metrics: Iterator[Metric]) -> None:
        self.metrics = list(metrics)

    def collect(self) -> list[Metric]:
        return self.metrics


def parsed(text: str) -> dict[str, SAMPLES]:
    """Read the text format; return the samples by their full name."""
    found: dict[str, SAMPLES] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


@pytest.fixture
def client(broker_url: str) -> redis.Redis:
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    return client


def scraped(broker_url: str) -> dict[str, SAMPLES]:
    return parsed(generate_latest(StudioCollector(broker_url)).decode())


def beat(client: redis.Redis, name: str, state: str, age_s: float = 0, **more: object) -> None:
    seen_s = float(client.time()[0]) - age_s
    lane, _, host = name.partition("@")
    signals.publish_beat(client, WorkerBeat(name, lane, state, 1, host, seen_s, 100.5, **more))


@pytest.mark.stack
def test_jobs_are_counted_and_timed(client: redis.Redis, broker_url: str) -> None:
    for run_s in (0.02, 0.03, 4000.0):
        record_job(client, "grading_apply", "completed", JobTimes(0.0, 1 + run_s, 0.9, 1.0))
    record_job(client, "audio_master", "canceled", JobTimes(0.0, 7.0))
    found = scraped(broker_url)
    assert ({"operation": "grading_apply", "status": "completed"}, 3) in found["studio_jobs_total"]
    assert ({"operation": "audio_master", "status": "canceled"}, 1) in found["studio_jobs_total"]
    run = {"operation": "grading_apply", "stage": "run"}
    buckets = {
        labels["le"]: value
        for labels, value in found["studio_job_seconds_bucket"]
        if run.items() <= labels.items()
    }
    assert len(buckets) == len(telemetry.BUCKETS_S) + 1
    assert [buckets[edge] for edge in ("0.01", "0.025", "0.05", "1800", "+Inf")] == [0, 1, 2, 2, 3]
    assert (run, 3) in found["studio_job_seconds_count"]
    sums = [value for labels, value in found["studio_job_seconds_sum"] if labels == run]
    assert sums == [pytest.approx(4000.05)]
    canceled = {"operation": "audio_master", "stage": "queued"}
    assert (canceled, 1) in found["studio_job_seconds_count"]


@pytest.mark.stack
def test_what_others_add_up_is_shown_without_being_known_here(
    client: redis.Redis, broker_url: str
) -> None:
    telemetry.count(client, "studio_model_evictions_total", {"reason": 'a "quoted\\ \n one'}, by=2)
    telemetry.count(client, "studio_plain_count", {})
    telemetry.observe(client, "studio_lease_wait_seconds", 0.3, {"device": "cuda:0"})
    telemetry.count(client, "somebody_else", {})
    text = generate_latest(StudioCollector(broker_url)).decode()
    assert "# TYPE studio_model_evictions_total counter" in text
    assert "# TYPE studio_lease_wait_seconds histogram" in text
    found = parsed(text)
    assert found["studio_model_evictions_total"] == [({"reason": 'a "quoted\\ \n one'}, 2)]
    assert found["studio_plain_count"] == [({}, 1)]
    assert found["studio_lease_wait_seconds_count"] == [({"device": "cuda:0"}, 1)]
    assert "somebody_else" not in found


@pytest.mark.stack
def test_queues_and_workers(client: redis.Redis, broker_url: str) -> None:
    client.lpush("grading_apply:4", "task", "task")
    client.lpush("grading_apply", "task")
    beat(client, "image@here", "busy", vram_used_mib=700.0, vram_peak_mib=900.0, device="cuda:0")
    beat(client, "image@there", "ready")
    beat(client, "audio@there", "ready", age_s=30)
    found = scraped(broker_url)
    assert found["studio_broker_up"] == [({}, 1)]
    assert ({"operation": "grading_apply"}, 3) in found["studio_queue_depth"]
    assert ({"operation": "audio_master"}, 0) in found["studio_queue_depth"]
    workers = {(one["lane"], one["state"]): value for one, value in found["studio_workers"]}
    assert workers["image", "busy"] == workers["image", "ready"] == 1
    # A worker that has fallen silent is not up.
    assert workers["audio", "ready"] == 0
    here = {"worker": "image@here", "lane": "image", "device": "cuda:0"}
    there = {"worker": "image@there", "lane": "image", "device": "cpu"}
    assert found["studio_worker_rss_mib"] == [(here, 100.5), (there, 100.5)]
    # Nothing is invented for the one on the CPU.
    assert found["studio_worker_vram_used_mib"] == [(here, 700)]
    assert {labels["worker"] for labels, _ in found["studio_worker_beat_age_seconds"]} == {
        "image@here",
        "image@there",
    }


def test_a_broker_that_is_away_is_told() -> None:
    assert scraped("redis://127.0.0.1:1/0") == {"studio_broker_up": [({}, 0)]}


def test_a_broker_that_hangs_does_not_hold_the_scrape_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert scraped(f"redis://127.0.0.1:{port}/0") == {"studio_broker_up": [({}, 0)]}


DURATIONS_S = st.floats(0, 1e5)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), DURATIONS_S), max_size=30))
def test_histograms_hold_all_that_was_observed(jobs: list[tuple[str, float]]) -> None:
    stored: dict[str, float] = {}
    for operation, total_s in jobs:
        for field, amount in additions_of(operation, "failed", JobTimes(0.0, total_s)).items():
            stored[field] = stored.get(field, 0) + amount
    text = generate_latest(Given(stored_metrics({k: repr(v) for k, v in stored.items()}))).decode()
    found = parsed(text)
    for operation in {name for name, _ in jobs}:
        total = {"operation": operation, "stage": "total"}
        took_s = [total_s for name, total_s in jobs if name == operation]
        buckets = [
            (float(labels["le"]), value)
            for labels, value in found["studio_job_seconds_bucket"]
            if total.items() <= labels.items()
        ]
        assert all(value == sum(one <= edge for one in took_s) for edge, value in buckets)
        assert buckets[-1] == (math.inf, len(took_s))
        assert (total, len(took_s)) in found["studio_job_seconds_count"]


def test_an_edge_of_an_earlier_version_still_counts() -> None:
    stored = {"studio_x_seconds|le=0.7": "2", "studio_x_seconds|le=+Inf": "1"}
    found = parsed(generate_latest(Given(stored_metrics(stored))).decode())
    buckets = {labels["le"]: value for labels, value in found["studio_x_seconds_bucket"]}
    assert [buckets[edge] for edge in ("0.5", "0.7", "1", "+Inf")] == [0, 2, 2, 3]


def test_a_lane_without_workers_counts_zero() -> None:
    workers, *rest = worker_metrics([], ["image"], 0.0)
    assert {sample.value for sample in workers.samples} == {0}
    assert all(not metric.samples for metric in rest)


@pytest.mark.stack
def test_a_running_studio_tells_of_itself(studio: RunningStudio) -> None:
    def ready() -> bool:
        found = parsed(studio.client.get("/metrics").text)
        return ({"lane": "test", "state": "ready"}, 1) in found["studio_workers"]

    eventually(ready)
    found = parsed(studio.client.get("/metrics").text)
    ((_, rss_mib),) = found["studio_worker_rss_mib"]
    child = psutil.Process(studio.row()["pid"])
    assert rss_mib == pytest.approx(child.memory_info().rss / 2**20, rel=0.3)
    ((_, api_bytes),) = found["process_resident_memory_bytes"]
    assert api_bytes == pytest.approx(studio.process("api").memory_info().rss, rel=0.3)
