"""Which process answers for a run: a mark in Redis that resuming and fencing go by.

A run that waits is marked as queued. The process that takes it claims it, and from then on the mark
lives only while that process, or its parent, renews it. A second delivery of the same run finds the
claim and is dropped; a process that was thought dead finds another's claim and stops.
"""

from typing import cast

import redis

QUEUED = "queued"
QUEUED_TTL_S = 7 * 24 * 3600
CLAIM_TTL_S = 6

_CLAIM = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


def heartbeat_key(run_id: str) -> str:
    """Name the key that shows that some process still answers for a run."""
    return f"studio:run:{run_id}:heartbeat"


def holder(client: redis.Redis, run_id: str) -> str | None:
    """Return ``QUEUED``, the owner that claimed the run, or None if nobody answers for it."""
    return cast(str | None, client.get(heartbeat_key(run_id)))


def mark_queued(client: redis.Redis, run_id: str) -> None:
    """Note that the run waits in the broker."""
    client.set(heartbeat_key(run_id), QUEUED, ex=QUEUED_TTL_S)


def claim(client: redis.Redis, run_id: str, owner: str) -> bool:
    """Take a run that waits; False if another process has it."""
    return bool(client.eval(_CLAIM, 1, heartbeat_key(run_id), owner, CLAIM_TTL_S, QUEUED))


def renew(client: redis.Redis, run_id: str, owner: str) -> bool:
    """Keep a claim alive; False if the run has been given to another meanwhile."""
    return bool(client.eval(_RENEW, 1, heartbeat_key(run_id), owner, CLAIM_TTL_S))


def release(client: redis.Redis, run_id: str, owner: str) -> None:
    """Give a claim up: the run has ended, or its process is dead."""
    client.eval(_RELEASE, 1, heartbeat_key(run_id), owner)
