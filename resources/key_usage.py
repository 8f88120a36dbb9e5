"""What an owner has used up today: jobs, and seconds of workers; by the days of UTC, in Redis."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import redis

from resources.run_tags import OWNER_TAG

KEPT_S = 3 * 24 * 3600


@dataclass(frozen=True)
class Usage:
    """What was used on one day.

    Attributes:
        jobs: Jobs begun.
        seconds: Seconds that workers have spent on jobs that ended.
    """

    jobs: int
    seconds: float


def usage_today(client: redis.Redis, owner: str) -> Usage:
    """Return what an owner has used today.

    Raises:
        redis.RedisError: The broker does not answer.
    """
    used = cast(dict[str, str], client.hgetall(_name(owner)))
    return Usage(int(used.get("jobs", 0)), float(used.get("seconds", 0)))


def count_job(client: redis.Redis, owner: str) -> None:
    """Count a job that was begun."""
    pipeline = client.pipeline(transaction=False)
    pipeline.hincrby(_name(owner), "jobs", 1)
    pipeline.expire(_name(owner), KEPT_S)
    pipeline.execute()


def spend_seconds(client: redis.Redis, tags: Mapping[str, str], seconds: float) -> None:
    """Count what a worker has spent on a run, by the run's tags."""
    if owner := tags.get(OWNER_TAG):
        pipeline = client.pipeline(transaction=False)
        pipeline.hincrbyfloat(_name(owner), "seconds", round(max(0.0, seconds), 3))
        pipeline.expire(_name(owner), KEPT_S)
        pipeline.execute()


def day_ends_in_s() -> float:
    """Return the seconds until the next day of UTC."""
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - now).total_seconds()


def _name(owner: str) -> str:
    return f"studio:usage:{owner}:{datetime.now(UTC).date().isoformat()}"
