"""The order of the queue, with Celery's own producer and consumer on a real server."""

import random

import pytest
import redis
from celery import Celery
from kombu import Connection, Queue

from resources import signals
from resources.broker import PRIORITIES, make_celery, send_run

pytestmark = pytest.mark.stack


@pytest.fixture
def app(broker_url: str) -> Celery:
    redis.Redis.from_url(broker_url).flushall()
    return make_celery(broker_url, queues=("copy", "other"))


def taken(app: Celery, queue: str) -> list[str]:
    """Take all tasks off a queue, one at a time as the worker does."""
    ids: list[str] = []
    with app.connection_for_read() as connection:
        assert isinstance(connection, Connection)
        consumed = connection.SimpleQueue(Queue(queue, routing_key=queue))
        try:
            while True:
                message = consumed.get(timeout=0.3)
                ids.append(message.headers["id"])
                message.ack()
        except consumed.Empty:
            return ids
        finally:
            consumed.close()


def test_priorities_order_the_queue_and_equal_ones_keep_theirs(app: Celery) -> None:
    sent = [(priority, turn) for priority in PRIORITIES for turn in range(2)]
    random.Random(0).shuffle(sent)
    for place, (priority, _) in enumerate(sent):
        send_run(app, f"{priority}-{place:02}", queue="copy", priority=priority, resume=False)
    found = taken(app, "copy")
    assert len(found) == len(sent)
    assert found == sorted(found, key=lambda name: (-int(name[0]), int(name[2:])))


def test_depth_counts_every_priority_of_that_queue_alone(app: Celery, broker_url: str) -> None:
    client = signals.connect(broker_url)
    assert signals.queue_depth(client, "copy") == 0
    for priority in PRIORITIES:
        send_run(app, f"run-{priority}", queue="copy", priority=priority, resume=False)
    send_run(app, "run-other", queue="other", priority=5, resume=True)
    assert signals.queue_depth(client, "copy") == 10
    assert signals.queue_depth(client, "other") == 1
    assert len(taken(app, "copy")) == 10
    assert signals.queue_depth(client, "copy") == 0
