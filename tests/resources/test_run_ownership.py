"""Who answers for a run, on a real broker."""

from collections.abc import Iterator

import pytest
import redis

from resources import run_ownership

pytestmark = pytest.mark.stack
RUN = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    yield client
    client.close()


def test_one_process_gets_a_run_that_waits(broker: redis.Redis) -> None:
    run_ownership.mark_queued(broker, RUN)
    assert run_ownership.claim(broker, RUN, "image@a:1")
    assert run_ownership.claim(broker, RUN, "image@a:1")
    assert not run_ownership.claim(broker, RUN, "image@b:1")
    assert run_ownership.holder(broker, RUN) == "image@a:1"
    assert 0 < broker.ttl(run_ownership.heartbeat_key(RUN)) <= run_ownership.CLAIM_TTL_S


def test_a_claim_that_lapsed_is_renewed_unless_the_run_was_given_on(broker: redis.Redis) -> None:
    assert run_ownership.claim(broker, RUN, "image@a:1")
    broker.delete(run_ownership.heartbeat_key(RUN))
    assert run_ownership.renew(broker, RUN, "image@a:1")
    run_ownership.mark_queued(broker, RUN)
    assert not run_ownership.renew(broker, RUN, "image@a:1")
    assert run_ownership.claim(broker, RUN, "image@b:1")
    assert not run_ownership.renew(broker, RUN, "image@a:1")


def test_only_the_owner_gives_a_run_up(broker: redis.Redis) -> None:
    assert run_ownership.claim(broker, RUN, "image@a:1")
    run_ownership.release(broker, RUN, "image@b:1")
    assert run_ownership.holder(broker, RUN) == "image@a:1"
    run_ownership.release(broker, RUN, "image@a:1")
    assert run_ownership.holder(broker, RUN) is None
