"""Who waits for a lane, in which order, and for about how long.

The broker's lists are the queue; this sorted set beside them answers "how many are before me"
without reading every message. A run enters with its task and leaves when a worker takes it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis

DURATIONS_KEY = "studio:durations"
LOOKED_AT = 1000
WEIGHT_OF_NEWEST = 0.3
_PRIORITY_STEP = 1e13  # more than the milliseconds of three centuries


@dataclass(frozen=True)
class Place:
    """Where a run stands.

    Attributes:
        position: 1 for the run that is taken next.
        starts_in_s: Estimate of the time until it starts, or None while no durations are known.
    """

    position: int
    starts_in_s: float | None


def _line(lane: str) -> str:
    return f"studio:lane:{lane}:waiting"


def _member(operation: str, run_id: str) -> str:
    return f"{operation}/{run_id}"


def _score(priority: int, at_s: float) -> float:
    return (9 - priority) * _PRIORITY_STEP + 1000 * at_s


def enter(
    client: redis.Redis, lane: str, operation: str, run_id: str, *, priority: int, at_s: float
) -> None:
    """Put a run in line; ``priority`` is 0 (lowest) to 9."""
    client.zadd(_line(lane), {_member(operation, run_id): _score(priority, at_s)})


def leave(client: redis.Redis, lane: str, operation: str, run_id: str) -> None:
    """Take a run out of the line."""
    client.zrem(_line(lane), _member(operation, run_id))


def place_of(
    client: redis.Redis,
    lane: str,
    operation: str,
    run_id: str,
    in_hand: Sequence[tuple[str, float] | None],
) -> Place | None:
    """Return where a run stands, or None if it does not wait.

    Args:
        client: The broker.
        lane: The lane that it waits for.
        operation: Its operation.
        run_id: Its id.
        in_hand: For each worker of the lane what it does: operation and seconds since it took it;
            None for one that is free.
    """
    rank = cast(int | None, client.zrank(_line(lane), _member(operation, run_id)))
    return None if rank is None else _place(client, lane, rank, in_hand)


def place_of_next(
    client: redis.Redis,
    lane: str,
    in_hand: Sequence[tuple[str, float] | None],
    *,
    priority: int,
    at_s: float,
) -> Place:
    """Return where a run would stand that came into line at a time; see :func:`place_of`."""
    before = client.zcount(_line(lane), "-inf", _score(priority, at_s))
    return _place(client, lane, cast(int, before), in_hand)


def _place(
    client: redis.Redis, lane: str, rank: int, in_hand: Sequence[tuple[str, float] | None]
) -> Place:
    pipeline = client.pipeline(transaction=False)
    pipeline.zrange(_line(lane), 0, min(rank, LOOKED_AT) - 1)
    pipeline.hgetall(DURATIONS_KEY)
    members, durations = pipeline.execute()
    before = [member.partition("/")[0] for member in members] if rank else []
    known_s = {name: json.loads(told)["mean_s"] for name, told in durations.items()}
    return Place(rank + 1, estimate_start_s(before, in_hand, known_s))


def estimate_start_s(
    before: Sequence[str],
    in_hand: Sequence[tuple[str, float] | None],
    known_s: Mapping[str, float],
) -> float | None:
    """Estimate after how many seconds a worker is free for the next in line.

    Args:
        before: Operations of the runs that are taken first.
        in_hand: What each worker does: operation and seconds since it took it, or None.
        known_s: Mean duration by operation; an unknown one counts as the mean of the known.
    """
    if not in_hand or not known_s:
        return None
    usual_s = sum(known_s.values()) / len(known_s)
    free_in_s = sorted(
        0.0 if work is None else max(0.0, known_s.get(work[0], usual_s) - work[1])
        for work in in_hand
    )
    for operation in before:
        free_in_s[0] += known_s.get(operation, usual_s)
        free_in_s.sort()
    return free_in_s[0]


def learn_duration(client: redis.Redis, operation: str, duration_s: float) -> None:
    """Let an operation's mean duration follow what its last run took."""
    told: Any = client.hget(DURATIONS_KEY, operation)
    mean_s = duration_s
    if told:
        mean_s = json.loads(told)["mean_s"]
        mean_s += WEIGHT_OF_NEWEST * (duration_s - mean_s)
    client.hset(DURATIONS_KEY, operation, json.dumps({"mean_s": round(mean_s, 4)}))
