"""What goes through Redis, on a real server."""

import dataclasses
import json

import pytest
import redis

from resources import signals
from resources.signals import WorkerBeat

pytestmark = pytest.mark.stack


@pytest.fixture
def client(broker_url: str) -> redis.Redis:
    fresh = redis.Redis.from_url(broker_url, decode_responses=True)
    fresh.flushall()
    return fresh


def beat_of(client: redis.Redis, name: str, *, age_s: float = 0.0) -> WorkerBeat:
    return WorkerBeat(
        name=name,
        lane=name.partition("@")[0],
        state="ready",
        pid=42,
        host="here",
        beat_at_s=client.time()[0] - age_s,
        rss_mib=100.5,
        gpus=({"index": 0, "name": "A", "usedMiB": 1, "totalMiB": 2, "utilisationPercent": 3},),
    )


def test_beats_come_back_as_they_were_sent(client: redis.Redis) -> None:
    sent = beat_of(client, "image@here")
    signals.publish_beat(client, sent)
    (found,) = signals.worker_beats(client)
    assert dataclasses.replace(found, gpus=tuple(found.gpus)) == sent


def test_a_worker_gone_for_a_minute_is_forgotten(client: redis.Redis) -> None:
    signals.publish_beat(client, beat_of(client, "image@here"))
    signals.publish_beat(client, beat_of(client, "audio@here", age_s=61))
    assert [beat.name for beat in signals.worker_beats(client)] == ["image@here"]
    assert client.hlen("studio:workers") == 1
    signals.drop_beat(client, "image@here")
    assert signals.worker_beats(client) == []


def test_an_outcome_is_told_and_kept_for_a_while(client: redis.Redis) -> None:
    with client.pubsub() as subscription:
        subscription.subscribe(signals.OUTCOME_CHANNEL)
        assert subscription.get_message(timeout=5)["type"] == "subscribe"
        signals.publish_outcome(client, "run-1", {"status": "canceled"})
        told = subscription.get_message(timeout=5)
    assert json.loads(told["data"]) == {"runId": "run-1", "status": "canceled"}
    assert client.get(signals.outcome_key("run-1")) == told["data"]
    assert 0 < client.ttl(signals.outcome_key("run-1")) <= signals.OUTCOME_TTL_S


def test_the_wish_to_stop_wakes_a_worker_and_passes(client: redis.Redis) -> None:
    signals.request_cancel(client, "run-1")
    assert 0 < client.ttl(signals.cancel_key("run-1")) <= signals.CANCEL_TTL_S
    assert client.blpop([signals.cancel_key("run-1")], 1)
    assert client.blpop([signals.cancel_key("run-2")], 0.05) is None


@pytest.mark.stack
def test_an_answer_that_an_interrupt_left_unread_is_not_taken_for_the_next(
    broker_url: str,
) -> None:
    client = signals.connect.__wrapped__(broker_url)
    client.mset({"first": "1", "second": "2"})
    connection = client.connection_pool.get_connection()
    connection.send_command("GET", "first")
    assert connection.can_read(timeout=5)
    client.connection_pool.release(connection)
    assert client.get("second") == "2"
    client.close()
