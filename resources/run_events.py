"""What happens to a run, in order, for those who follow it: a bounded stream in Redis.

The stream is a courtesy: the truth about a run is in Dagster's storage, and whoever follows looks
there when the stream has fallen silent.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import redis
from redis.client import Pipeline

Kind = Literal["status", "progress", "log", "metric", "end"]

STREAM_LENGTH = 1000
STREAM_TTL_S = 24 * 3600


def stream_key(run_id: str) -> str:
    """Name the stream of what happened to a run."""
    return f"studio:run:{run_id}:events"


def append(
    client: redis.Redis | Pipeline,
    run_id: str,
    kind: Kind,
    data: Mapping[str, Any],
    kept_s: float = STREAM_TTL_S,
) -> None:
    """Add an event to a run's stream; the oldest beyond ``STREAM_LENGTH`` go.

    Args:
        client: A connection, or a pipeline that the event travels with.
        run_id: The run's Dagster id.
        kind: What the event is; after an ``end`` nothing follows.
        data: What it says, as JSON can hold it.
        kept_s: How long the stream is kept if nothing follows, in seconds.
    """
    key = stream_key(run_id)
    client.xadd(key, {"type": kind, "data": json.dumps(data)}, maxlen=STREAM_LENGTH)
    client.expire(key, round(kept_s))


def tell(
    client: redis.Redis,
    run_id: str,
    kind: Kind,
    data: Mapping[str, Any],
    kept_s: float = STREAM_TTL_S,
) -> None:
    """Add an event in one exchange with the broker; see :func:`append`.

    Raises:
        redis.RedisError: The broker does not answer.
    """
    pipeline = client.pipeline(transaction=False)
    append(pipeline, run_id, kind, data, kept_s)
    pipeline.execute()
