"""How many jobs of an owner are under way, and whose turn it is to begin one more."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from resources.run_tags import OWNER_TAG

# Longer than a run may take to be made, so that a turn is not lost in its middle.
TURN_TTL_S = 60.0
TURN_LOOK_S = 0.02
# A run is NOT_STARTED within its maker's turn, or while it is scheduled.
UNDER_WAY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@contextmanager
def turn_of(client: redis.Redis, owner: str) -> Iterator[None]:
    """Let one process at a time begin a job of an owner: else each of two sees the last place free.

    Raises:
        redis.RedisError: The broker does not answer.
    """
    lock = client.lock(
        f"studio:owner:{owner}:turn",
        timeout=TURN_TTL_S,
        sleep=TURN_LOOK_S,
        blocking_timeout=TURN_TTL_S,
        raise_on_release_error=False,
    )
    lock.acquire()
    try:
        yield
    finally:
        with suppress(redis.RedisError):  # it ends of itself
            lock.release()


def jobs_under_way(instance: DagsterInstance, owner: str) -> int:
    """Count an owner's jobs that wait for a worker or work; scheduled ones do not yet.

    They are read off storage, where a job is whatever happened to the process that was to tell of
    its end.
    """
    return instance.get_runs_count(RunsFilter(tags={OWNER_TAG: owner}, statuses=UNDER_WAY))
