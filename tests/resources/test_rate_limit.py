"""Counting requests in a window, on a real server."""

import time
from concurrent.futures import ThreadPoolExecutor

import redis

from resources import signals
from resources.key_usage import Usage, count_job, day_ends_in_s, spend_seconds, usage_today
from resources.rate_limit import take_turn
from resources.run_tags import OWNER_TAG


def test_parallel_requests_are_let_in_up_to_the_limit(broker_url: str) -> None:
    client = signals.connect(broker_url)
    with ThreadPoolExecutor(16) as threads:
        turns = list(threads.map(lambda _: take_turn(client, "parallel", 20), range(50)))
    admitted = [turn for turn in turns if turn.admitted]
    assert sorted(turn.remaining for turn in admitted) == list(range(20))
    assert all(0 < turn.next_in_s <= 60 for turn in turns)
    assert all(turn.remaining == 0 for turn in turns if not turn.admitted)


def test_no_window_has_more_than_the_limit(broker_url: str) -> None:
    client, window_s, limit = signals.connect(broker_url), 0.4, 5
    ends_at_s, times_s = time.monotonic() + 3 * window_s, []
    while (now_s := time.monotonic()) < ends_at_s:
        if take_turn(client, "sliding", limit, window_s).admitted:
            times_s.append(now_s)
        time.sleep(0.005)
    assert len(times_s) >= 2 * limit
    # Our clock reads before the server's does, by as long as an exchange takes.
    spans_s = [later - first for first, later in zip(times_s, times_s[limit:], strict=False)]
    assert min(spans_s) > window_s - 0.1


def test_a_place_is_free_when_it_is_said_to_be(broker_url: str) -> None:
    client = signals.connect(broker_url)
    take_turn(client, "told", 1, 0.5)
    refused = take_turn(client, "told", 1, 0.5)
    assert not refused.admitted
    time.sleep(refused.next_in_s + 0.01)
    assert take_turn(client, "told", 1, 0.5).admitted


def test_a_window_leaves_nothing_behind(broker_url: str) -> None:
    client = redis.Redis.from_url(broker_url)
    take_turn(client, "gone", 5, 0.2)
    assert client.exists("studio:rate:gone")
    time.sleep(0.3)
    assert not client.exists("studio:rate:gone")


def test_what_was_used_today_adds_up(broker_url: str) -> None:
    client = signals.connect(broker_url)
    assert usage_today(client, "key_1") == Usage(0, 0.0)
    count_job(client, "key_1")
    count_job(client, "key_1")
    spend_seconds(client, {OWNER_TAG: "key_1"}, 1.25)
    spend_seconds(client, {OWNER_TAG: "key_1"}, 2.5)
    spend_seconds(client, {OWNER_TAG: "key_2"}, 9)
    spend_seconds(client, {}, 9)
    assert usage_today(client, "key_1") == Usage(2, 3.75)
    assert 0 < day_ends_in_s() <= 24 * 3600
