"""Places in line: their order on a real broker, and the estimate of the start."""

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from resources import waiting_line

WORK = st.one_of(st.none(), st.tuples(st.sampled_from("ab"), st.floats(0, 100)))


@pytest.mark.stack
def test_priority_comes_first_then_time(broker_url: str) -> None:
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    waits = {"one": (5, 10.0), "two": (5, 10.001), "low": (0, 1.0), "high": (9, 99.0)}
    for run_id, (priority, at_s) in waits.items():
        waiting_line.enter(client, "image", "op", run_id, priority=priority, at_s=at_s)
    places = {run: waiting_line.place_of(client, "image", "op", run, [None]) for run in waits}
    assert {run: place and place.position for run, place in places.items()} == {
        "high": 1,
        "one": 2,
        "two": 3,
        "low": 4,
    }
    assert all(place and place.starts_in_s is None for place in places.values())
    waiting_line.learn_duration(client, "op", 2.0)
    place = waiting_line.place_of(client, "image", "op", "two", [("op", 0.5)])
    assert place == waiting_line.Place(3, 1.5 + 2 * 2.0)
    waiting_line.leave(client, "image", "op", "high")
    assert waiting_line.place_of(client, "image", "op", "high", [None]) is None
    client.close()


@pytest.mark.stack
def test_a_mean_follows_what_is_measured(broker_url: str) -> None:
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    for _ in range(30):
        waiting_line.learn_duration(client, "op", 1.0)
    waiting_line.enter(client, "l", "op", "run", priority=5, at_s=0)
    place = waiting_line.place_of(client, "l", "op", "run", [("op", 0.0)])
    assert place == waiting_line.Place(1, 1.0)
    client.close()


def test_two_workers_share_what_waits() -> None:
    known_s = {"op": 10.0}
    assert waiting_line.estimate_start_s([], [None, ("op", 0)], known_s) == 0
    assert waiting_line.estimate_start_s(["op"], [None, ("op", 4)], known_s) == 6
    assert waiting_line.estimate_start_s(["op"] * 3, [None, None], known_s) == 10


def test_nothing_is_estimated_without_a_worker_or_a_measurement() -> None:
    assert waiting_line.estimate_start_s([], [], {"op": 1.0}) is None
    assert waiting_line.estimate_start_s([], [None], {}) is None


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(WORK, min_size=1, max_size=4))
def test_a_longer_line_never_starts_earlier(
    before: list[str], in_hand: list[tuple[str, float] | None]
) -> None:
    known_s = {"a": 3.0, "b": 7.0}
    shorter = waiting_line.estimate_start_s(before, in_hand, known_s)
    longer = waiting_line.estimate_start_s([*before, "a"], in_hand, known_s)
    assert shorter is not None
    assert longer is not None
    assert 0 <= shorter <= longer
    alone = waiting_line.estimate_start_s(before, [*in_hand, None], known_s)
    assert alone is not None
    assert alone <= shorter
