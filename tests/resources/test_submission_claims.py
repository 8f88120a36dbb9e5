"""Claims of submissions, on a real server."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from resources.submission_claims import KEY_KEPT_S, Claim, SubmissionClaims, SubmissionKey

pytestmark = pytest.mark.stack


@pytest.fixture
def client(broker_url: str) -> redis.Redis:
    return redis.Redis.from_url(broker_url, decode_responses=True)


def new_key(owner: str = "") -> SubmissionKey:
    return SubmissionKey(uuid.uuid4().hex, "body", owner)


def test_a_key_is_taken_once_however_many_come(client: redis.Redis) -> None:
    claims, key = SubmissionClaims(client), new_key()
    with ThreadPoolExecutor(8) as threads:
        taken = set(threads.map(lambda number: claims.take(key, f"run {number}"), range(64)))
    assert len(taken) == 1
    assert claims.find(key) == taken.pop()
    assert 0 < client.ttl(key.name) <= KEY_KEPT_S


def test_owners_have_keys_of_their_own(client: redis.Redis) -> None:
    claims, key = SubmissionClaims(client), new_key("one")
    other = SubmissionKey(key.key, key.body, "two")
    assert claims.take(key, "a").run_id == "a"
    assert claims.find(other) is None
    assert claims.take(other, "b").run_id == "b"
    assert key.key not in key.name


def test_a_claim_is_pointed_at_an_earlier_run_and_keeps_its_time(client: redis.Redis) -> None:
    claims, key = SubmissionClaims(client), new_key()
    claims.point(key, "nothing")
    assert claims.find(key) is None
    claims.take(key, "a")
    client.expire(key.name, 100)
    claims.point(key, "b")
    assert claims.find(key) == Claim("b", "body", reused=True)
    assert 0 < client.ttl(key.name) <= 100


def test_a_recipe_has_its_turns_one_after_the_other(client: redis.Redis) -> None:
    claims, recipe = SubmissionClaims(client), uuid.uuid4().hex
    inside, most = 0, 0
    counting = threading.Lock()

    def take_turn(_number: int) -> None:
        nonlocal inside, most
        with claims.turn(recipe):
            with counting:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with counting:
                inside -= 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(take_turn, range(16)))
    assert most == 1
