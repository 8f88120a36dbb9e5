"""What API, launcher and workers tell each other through Redis, besides the tasks themselves.

Every key has a time to live, so that nothing outlives its use; the truth about a run is in
Dagster's storage, and these are the fast way to it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
from kombu.exceptions import OperationalError
from redis.maint_notifications import MaintNotificationsConfig

from studio_pipelines.errors import StudioError

OUTCOME_TTL_S = 3600
CANCEL_TTL_S = 24 * 3600
PROGRESS_TTL_S = 24 * 3600
WORKER_STALE_AFTER_S = 60.0
OUTCOME_CHANNEL = "studio:outcomes"
_WORKERS = "studio:workers"


class BrokerUnavailable(StudioError):
    """Redis does not answer, so no work can be queued."""

    status = 503
    code = "broker_unavailable"
    advice = "No job was made. Try again in a few seconds."
    is_of_one_item = False


@contextmanager
def broker_faults() -> Iterator[None]:
    """Have a broker that does not answer told plainly.

    Raises:
        BrokerUnavailable: From the block, where Redis or kombu failed.
    """
    try:
        yield
    except (redis.RedisError, OperationalError) as error:
        raise BrokerUnavailable(
            "The queue does not answer, so no work can be taken.",
            hint="Try again in a few seconds.",
        ) from error


@cache
def connect(redis_url: str, timeout_s: float = 5.0) -> redis.Redis:
    """Return this process's Redis client; it gives up on a silent server after ``timeout_s``."""
    return redis.Redis.from_url(
        redis_url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(2.0, timeout_s),
        # With these notices on, a connection on which an interrupt left an answer is used again.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


def cancel_key(run_id: str) -> str:
    """Name the list that holds a run's wish to stop."""
    return f"studio:run:{run_id}:cancel"


def outcome_key(run_id: str) -> str:
    """Name the key that holds how a run ended."""
    return f"studio:run:{run_id}:outcome"


def progress_key(run_id: str) -> str:
    """Name the key that holds how far a run is."""
    return f"studio:run:{run_id}:progress"


@dataclass(frozen=True)
class WorkerBeat:
    """What a worker process says of itself each second.

    Attributes:
        name: ``lane@host`` or ``lane-2@host``, unique among the workers of one broker.
        lane: The lane that it serves.
        state: ``starting``, ``ready``, ``busy`` or ``unhealthy``.
        pid: Process that runs the ops.
        host: Machine name.
        beat_at_s: Unix time of this beat.
        rss_mib: Resident memory of that process and its helpers.
        run_id: The run in hand, or None.
        operation: The operation or chain in hand, or None.
        step: The operation that a chain has come to, or None.
        taken_at_s: Unix time at which the run was taken, or None.
        device: ``cpu``, or the CUDA device such as ``cuda:0``.
        vram_used_mib: Device memory that the process holds, or None without a GPU.
        vram_peak_mib: Its highest value since the process started, or None.
        vram_total_mib: Device memory there is, or None.
        gpus: The machine's GPUs as ``{index, name, usedMiB, totalMiB, utilisationPercent}``.
    """

    name: str
    lane: str
    state: str
    pid: int
    host: str
    beat_at_s: float
    rss_mib: float
    run_id: str | None = None
    operation: str | None = None
    step: str | None = None
    taken_at_s: float | None = None
    device: str = "cpu"
    vram_used_mib: float | None = None
    vram_peak_mib: float | None = None
    vram_total_mib: float | None = None
    gpus: tuple[Mapping[str, Any], ...] = ()


def publish_beat(client: redis.Redis, beat: WorkerBeat) -> None:
    """Write a worker's beat."""
    client.hset(_WORKERS, beat.name, json.dumps(beat.__dict__, default=list))


def drop_beat(client: redis.Redis, name: str) -> None:
    """Remove a worker that stops in good order."""
    client.hdel(_WORKERS, name)


def read_beats(raw: Mapping[str, str]) -> list[WorkerBeat]:
    """Parse the hash of beats as Redis gives it."""
    return [WorkerBeat(**json.loads(text)) for text in raw.values()]


def worker_beats(client: redis.Redis) -> list[WorkerBeat]:
    """Return the last beat of each worker, and forget those gone for a minute."""
    raw: dict[str, str] = client.hgetall(_WORKERS)  # pyright: ignore[reportAssignmentType]
    seconds, _ = client.time()  # pyright: ignore[reportGeneralTypeIssues]
    beats = read_beats(raw)
    gone = [beat.name for beat in beats if seconds - beat.beat_at_s > WORKER_STALE_AFTER_S]
    if gone:
        client.hdel(_WORKERS, *gone)
    return [beat for beat in beats if beat.name not in gone]


def publish_outcome(client: redis.Redis, run_id: str, outcome: Mapping[str, Any]) -> None:
    """Tell those who wait that a run ended, and leave word for those who come later."""
    text = json.dumps({"runId": run_id, **outcome})
    pipeline = client.pipeline(transaction=False)
    pipeline.set(outcome_key(run_id), text, ex=OUTCOME_TTL_S)
    pipeline.publish(OUTCOME_CHANNEL, text)
    pipeline.execute()


def request_cancel(client: redis.Redis, run_id: str) -> None:
    """Ask the worker that has the run, or will have it, to stop it."""
    pipeline = client.pipeline(transaction=True)
    pipeline.rpush(cancel_key(run_id), "cancel")
    pipeline.expire(cancel_key(run_id), CANCEL_TTL_S)
    pipeline.execute()


def queued_run_ids(client: redis.Redis, queue: str) -> set[str]:
    """Return the runs whose tasks wait in a queue, read off the messages themselves."""
    pipeline = client.pipeline(transaction=False)
    for priority in range(10):
        pipeline.lrange(_list_of(queue, priority), 0, -1)
    return {
        json.loads(message)["headers"]["id"]
        for messages in pipeline.execute()
        for message in messages
    }


def queue_depth(client: redis.Redis, queue: str) -> int:
    """Count the tasks that wait in a queue, over its ten priorities."""
    pipeline = client.pipeline(transaction=False)
    for priority in range(10):
        pipeline.llen(_list_of(queue, priority))
    return sum(pipeline.execute())


def _list_of(queue: str, priority: int) -> str:
    return queue if priority == 0 else f"{queue}:{priority}"
