"""Webhooks in Redis: who follows which run, what is to be delivered, and how that went.

Everything is written before it is acted upon, so that whoever sends may die at any moment: the
next one finds what is due. A message that is being sent is out of the others' sight for
``LEASE_S``, and in it again if its sender does not come back.
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import redis

from resources.signals import progress_key

SUBSCRIBED_TTL_S = 40 * 24 * 3600
LOGGED_TTL_S = 8 * 24 * 3600
LEASE_S = 30.0
LOOK_AGAIN_S = 10.0
PROGRESS_EVERY_S = 2.0
_FOLLOWED = "studio:webhooks:followed"
_PROGRESS = "studio:webhooks:progress"
_DUE = "studio:webhooks:due"

# A message is written once, also if several processes find at once that its job has ended.
_ENTER = """
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[5])
return 1
"""
# Somebody may have come to follow the run while it was settled.
_SETTLE = """
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[1]) then return 0 end
redis.call('SREM', KEYS[3], ARGV[2])
return redis.call('ZREM', KEYS[2], ARGV[2])
"""
_TAKE = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], member) end
return due
"""


@dataclass(frozen=True)
class Subscription:
    """A wish to be told of a job.

    Attributes:
        id: Names the subscription.
        url: Where messages go.
        events: Which ends, and whether progress, are told.
        base_url: Where clients reach the studio, for the URLs in messages.
    """

    id: str
    url: str
    events: tuple[str, ...]
    base_url: str

    @property
    def message_id(self) -> str:
        """Id of the message that tells of the end, the same each time that it is sent."""
        return f"msg_{self.id}"


@dataclass(frozen=True)
class Delivery:
    """A message about a job's end.

    Attributes:
        id: Id of the message.
        url: Where it goes.
        event: ``completed``, ``failed`` or ``canceled``.
        payload: Its body; URLs of assets come into it when it is sent.
        created_at_s: When it was written, in Unix time.
        status: ``pending``, ``delivered`` or ``given_up``.
        tries: How often it was tried since it was written, or asked for anew.
        next_try_at_s: When it is tried next, or None.
        attempts: Each try as ``{at, status, error, tookMs}``, in order.
        base_url: Where its receiver reaches the studio.
    """

    id: str
    url: str
    event: str
    payload: str
    created_at_s: float
    status: str = "pending"
    tries: int = 0
    next_try_at_s: float | None = None
    attempts: tuple[Mapping[str, Any], ...] = ()
    base_url: str = ""


def new_subscription_id() -> str:
    """Return an id that nobody has."""
    return secrets.token_hex(12)


class WebhookLog:
    """Reads and writes what is known of webhooks.

    Every method raises redis.RedisError where the server does not answer.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def follow(self, run_id: str, subscription: Subscription) -> None:
        """Have a run followed, be it under way, ended, or about to be made."""
        pipeline = self._client.pipeline()
        text = json.dumps(asdict(subscription))
        pipeline.hset(_subscriptions(run_id), subscription.id, text)
        pipeline.expire(_subscriptions(run_id), SUBSCRIBED_TTL_S)
        pipeline.zadd(_FOLLOWED, {run_id: time.time() + LOOK_AGAIN_S})
        if "progress" in subscription.events:
            pipeline.sadd(_PROGRESS, run_id)
        pipeline.execute()

    def follow_too(self, run_id: str, new_run_id: str) -> None:
        """Have all who follow a run follow another one as well."""
        for one in self.subscriptions(run_id):
            self.follow(new_run_id, replace(one, id=new_subscription_id()))

    def subscriptions(self, run_id: str) -> list[Subscription]:
        """Return who follows a run."""
        told = cast(dict[str, str], self._client.hgetall(_subscriptions(run_id)))
        return [
            Subscription(**{**values, "events": tuple(values["events"])})
            for values in map(json.loads, told.values())
        ]

    def followed(self) -> dict[str, float]:
        """Return the followed runs, and when storage is to be asked about each, in Unix time."""
        return dict(cast(Any, self._client.zrange(_FOLLOWED, 0, -1, withscores=True)))

    def progress(self) -> dict[str, str | None]:
        """Return how far the runs are whose progress is followed, as their ops told it."""
        runs = sorted(cast(set[str], self._client.smembers(_PROGRESS)))
        told: Any = self._client.mget(map(progress_key, runs)) if runs else []
        return dict(zip(runs, told, strict=True))

    def may_tell_progress(self, run_id: str) -> bool:
        """Whether it is this process's turn to tell how far a run is."""
        turn = f"studio:run:{run_id}:progress-told"
        return bool(self._client.set(turn, 1, nx=True, px=round(1000 * PROGRESS_EVERY_S)))

    def look_later(self, run_id: str, wait_s: float = LOOK_AGAIN_S) -> None:
        """Have storage asked about a followed run after another while."""
        self._client.zadd(_FOLLOWED, {run_id: time.time() + wait_s}, xx=True)

    def settle(self, run_id: str, seen: Sequence[Subscription]) -> None:
        """Follow a run no longer, unless somebody has subscribed besides those that were seen."""
        keys = (_subscriptions(run_id), _FOLLOWED, _PROGRESS)
        self._client.eval(_SETTLE, 3, *keys, len(seen), run_id)

    def enter(self, run_id: str, delivery: Delivery) -> None:
        """Write a message and have it sent at once; a message that there is stays as it is."""
        self._client.eval(
            _ENTER,
            2,
            *(_deliveries(run_id), _DUE),
            *(delivery.id, json.dumps(asdict(delivery)), f"{time.time()}"),
            *(f"{LOGGED_TTL_S}", f"{run_id}/{delivery.id}"),
        )

    def take_due(self, at_most: int) -> list[tuple[str, str]]:
        """Return ``(run id, message id)`` of messages that are due, for this process to send."""
        now_s = time.time()
        members: Any = self._client.eval(_TAKE, 1, _DUE, f"{now_s}", f"{now_s + LEASE_S}", at_most)
        return [tuple(member.split("/")) for member in members]

    def delivery(self, run_id: str, message_id: str) -> Delivery | None:
        """Return a message, or None if there is none, or no more."""
        text = cast(str | None, self._client.hget(_deliveries(run_id), message_id))
        return _delivery(text) if text else None

    def deliveries(self, run_id: str) -> list[Delivery]:
        """Return the messages about a run, in the order in which they were written."""
        told = cast(dict[str, str], self._client.hgetall(_deliveries(run_id)))
        return sorted(map(_delivery, told.values()), key=lambda one: one.created_at_s)

    def update(self, run_id: str, delivery: Delivery) -> None:
        """Write down how a message stands; it is sent again if a next try is named."""
        member = f"{run_id}/{delivery.id}"
        pipeline = self._client.pipeline()
        pipeline.hset(_deliveries(run_id), delivery.id, json.dumps(asdict(delivery)))
        pipeline.expire(_deliveries(run_id), LOGGED_TTL_S)
        if delivery.next_try_at_s is None:
            pipeline.zrem(_DUE, member)
        else:
            pipeline.zadd(_DUE, {member: delivery.next_try_at_s})
        pipeline.execute()

    def send_again(self, run_id: str, delivery: Delivery) -> Delivery:
        """Have a message sent at once, with all of its tries before it."""
        again = replace(delivery, status="pending", tries=0, next_try_at_s=time.time())
        self.update(run_id, again)
        return again

    def drop_due(self, run_id: str, message_id: str) -> None:
        """Forget that a message is due, whose log has expired."""
        self._client.zrem(_DUE, f"{run_id}/{message_id}")


def _delivery(text: str) -> Delivery:
    values = json.loads(text)
    return Delivery(**{**values, "attempts": tuple(values["attempts"])})


def _subscriptions(run_id: str) -> str:
    return f"studio:run:{run_id}:subscriptions"


def _deliveries(run_id: str) -> str:
    return f"studio:run:{run_id}:deliveries"
