"""Webhook records of other builds: read as far as they tell, and dropped where they do not."""

import json
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from resources import telemetry
from resources.webhook_log import WebhookLog
from resources.webhook_records import Delivery, Subscription, UnreadableRecord, read_record

# As the build wrote them that first sent webhooks: no base URL, and the body as it went out.
FIRST_DELIVERY = {
    "id": "msg_1",
    "url": "https://example.org/hook",
    "event": "completed",
    "payload": '{"type": "job.completed"}',
    "created_at_s": 1785000000.5,
    "status": "pending",
    "tries": 1,
    "next_try_at_s": 1785000030.0,
    "attempts": [{"at": "2026-07-25T00:00:00", "status": 500, "error": None, "tookMs": 3.5}],
}
SUBSCRIPTION = {
    "id": "1",
    "url": "https://example.org/hook",
    "events": ["completed", "progress"],
    "base_url": "http://studio.example/",
}
BARE = {name: FIRST_DELIVERY[name] for name in ("id", "url", "event", "payload")}
UNREADABLE = [
    " ",
    "no JSON",
    "null",
    "[]",
    "{}",
    json.dumps({**FIRST_DELIVERY, "url": None}),
    json.dumps({**FIRST_DELIVERY, "attempts": "none"}),
    json.dumps({**FIRST_DELIVERY, "next_try_at_s": "later"}),
]


@pytest.fixture
def client(broker_url: str) -> redis.Redis:
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    return client


def put(client: redis.Redis, kind: str, run_id: str, field: str, record: Any) -> None:
    text = record if isinstance(record, str) else json.dumps(record)
    client.hset(f"studio:run:{run_id}:{kind}", field, text)


def test_records_of_the_first_build() -> None:
    found = read_record(json.dumps(FIRST_DELIVERY), Delivery)
    assert found == Delivery(**{**FIRST_DELIVERY, "attempts": tuple(FIRST_DELIVERY["attempts"])})
    assert found.base_url == ""
    follower = read_record(json.dumps(SUBSCRIPTION), Subscription)
    assert follower.events == ("completed", "progress")


def test_what_a_build_did_not_write_has_its_default_and_what_one_adds_is_left() -> None:
    found = read_record(json.dumps({**BARE, "colour": "red"}), Delivery)
    assert (found.status, found.tries, found.attempts) == ("pending", 0, ())


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(UnreadableRecord):
        read_record(text, Delivery)


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_a_record_or_a_refusal(text: str) -> None:
    with pytest.raises(UnreadableRecord):
        read_record(text, Delivery)
    with pytest.raises(UnreadableRecord):
        read_record(text, Subscription)


@pytest.mark.stack
def test_an_unreadable_message_is_dropped_counted_and_in_nobodys_way(client: redis.Redis) -> None:
    kept = WebhookLog(client)
    put(client, "deliveries", "run", "msg_1", FIRST_DELIVERY)
    for number, text in enumerate(UNREADABLE):
        put(client, "deliveries", "run", f"msg_bad_{number}", text)
    assert [one.id for one in kept.deliveries("run")] == ["msg_1"]
    assert client.hkeys("studio:run:run:deliveries") == ["msg_1"]
    put(client, "deliveries", "run", "msg_2", "{}")
    assert kept.delivery("run", "msg_2") is None
    field = telemetry.field_of("studio_webhook_records_dropped_total", {"kind": "delivery"})
    counted = client.hget(telemetry.METRICS_KEY, field)
    assert counted == str(len(UNREADABLE) + 1)


@pytest.mark.stack
def test_a_run_is_settled_though_a_subscription_cannot_be_read(client: redis.Redis) -> None:
    kept = WebhookLog(client)
    kept.follow("run", Subscription("1", "https://example.org", ("completed",), ""))
    put(client, "subscriptions", "run", "2", "{}")
    seen = kept.subscriptions("run")
    assert [one.id for one in seen] == ["1"]
    kept.settle("run", seen)
    assert kept.followed() == {}


@pytest.mark.stack
def test_what_is_due_under_no_name_comes_to_nothing(client: redis.Redis) -> None:
    kept = WebhookLog(client)
    client.zadd("studio:webhooks:due", {"nothing": 1.0})
    assert kept.take_due(9) == []
    assert client.zcard("studio:webhooks:due") == 0
