"""What jobs have taken, learned on a real server."""

import uuid

import pytest
import redis

from resources.job_figures import JobKind, input_size, known, learn

pytestmark = pytest.mark.stack


@pytest.fixture
def client(broker_url: str) -> redis.Redis:
    return redis.Redis.from_url(broker_url, decode_responses=True)


@pytest.fixture
def kind() -> JobKind:
    return JobKind(uuid.uuid4().hex, "good", input_size(3_000_000))


def results(ram_mib: float, **more: object) -> dict[str, object]:
    return {"metrics": {"peakRamMiB": ram_mib, **more}}


def test_nothing_is_known_of_what_was_never_done(client: redis.Redis, kind: JobKind) -> None:
    assert known(client, kind) is None


def test_the_narrowest_kind_that_was_seen_speaks(client: redis.Redis, kind: JobKind) -> None:
    learn(client, kind, 2.0, results(100))
    assert kind.size == "4 megabytes"
    same = known(client, kind)
    assert same is not None
    assert (same[0], same[1].jobs, same[1].mean_s, same[1].peak_ram_mib) == (kind, 1, 2.0, 100)
    larger = known(client, JobKind(kind.operation, "good", input_size(100_000_000)))
    other_model = known(client, JobKind(kind.operation, "best", kind.size))
    assert larger is not None
    assert other_model is not None
    assert larger[0] == JobKind(kind.operation, "good")
    assert other_model[0] == JobKind(kind.operation)


def test_time_follows_the_newest_and_a_peak_comes_down_slowly(
    client: redis.Redis, kind: JobKind
) -> None:
    for seconds, ram_mib in ((1.0, 100), (2.0, 300), (2.0, 200)):
        learn(client, kind, seconds, results(ram_mib))
    found = known(client, kind)
    assert found is not None
    assert found[1].jobs == 3
    assert 1.3 < found[1].mean_s < 2.0
    assert found[1].peak_ram_mib == pytest.approx(290)
    assert found[1].peak_vram_mib is None


def test_the_highest_peak_of_steps_and_items_counts(client: redis.Redis, kind: JobKind) -> None:
    items = {"metrics": {"items": 2}, "items": [results(10), {"error": {}}, results(30)]}
    steps = {"a": items, "b": results(20, peakVramMiB=7)}
    learn(client, kind, 1.0, {**results(20), "steps": steps})
    found = known(client, kind)
    assert found is not None
    assert (found[1].peak_ram_mib, found[1].peak_vram_mib) == (30, 7)
