"""The job that deletes what has grown old, so that the disk and the tables stay bounded.

It works in small batches, each of which is whole in itself: stopped anywhere, by a cancel, a crash
or because jobs wait for its worker, the next run goes on where it left off.
"""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
import redis

from resources import signals, telemetry
from resources.artifacts import ArtifactStore
from resources.expiry import delete_leftovers, delete_old_assets
from resources.run_tags import COMMON_QUEUE, MAX_RUNTIME_TAG, PRIORITY_TAG, QUEUE_TAG
from studio_pipelines.catalogue import queues
from studio_pipelines.settings import Settings, load_settings
from studio_pipelines.storage_expiry import (
    delete_old_observations,
    delete_old_runs,
    inputs_awaited,
)

KINDS = ("runs", "observations", "assets", "leftovers")
LEFTOVERS_KEPT_DAYS = 1
# A studio that is never idle must not outgrow its disk: so much is done in any case.
SURE_WORK_S = 5.0
LOOK_EVERY_S = 0.5
LONGEST_RUN_S = 3600


@dg.op
def delete_what_is_old(context: dg.OpExecutionContext, artifacts: ArtifactStore) -> None:
    """Delete old runs, observations and assets, and what killed processes left."""
    removed: dict[str, int] = dict.fromkeys(KINDS, 0)
    client = signals.connect(os.environ["STUDIO_REDIS_URL"])
    steps = deletions(context.instance, artifacts, load_settings(), datetime.now(UTC))
    finished = work_through(steps, removed, client)
    for kind, number in removed.items():
        telemetry.count(client, "studio_retention_removed_total", {"kind": kind}, by=number)
    context.add_output_metadata({**removed, "finished": finished})
    context.log.info(f"removed {removed}; {'all done' if finished else 'gave way to jobs'}")


def deletions(
    instance: dg.DagsterInstance, store: ArtifactStore, settings: Settings, now: datetime
) -> Iterator[tuple[str, int]]:
    """Delete what is older than the settings say, bit by bit.

    Yields:
        ``(kind, number)`` after each bit.
    """
    wanted = (
        ("runs", settings.keep_runs_days, partial(delete_old_runs, instance)),
        (
            "observations",
            settings.keep_observations_days,
            partial(delete_old_observations, instance),
        ),
        (
            "assets",
            settings.keep_assets_days,
            partial(delete_old_assets, store, needed=inputs_awaited(instance)),
        ),
        ("leftovers", LEFTOVERS_KEPT_DAYS, partial(delete_leftovers, store)),
    )
    working = [
        (kind, delete_before(now - timedelta(days=days)))
        for kind, days, delete_before in wanted
        if days
    ]
    # In turns, so that none waits for ever where runs are always cut short.
    while working:
        for entry in tuple(working):
            kind, numbers = entry
            number = next(numbers, None)
            if number is None:
                working.remove(entry)
            else:
                yield kind, number


def work_through(
    steps: Iterator[tuple[str, int]],
    removed: dict[str, int],
    client: redis.Redis,
    sure_work_s: float = SURE_WORK_S,
) -> bool:
    """Take the steps, and stop early for a job that waits; return whether all was done.

    Args:
        steps: What :func:`deletions` gives.
        removed: Counts by kind, added to as it goes.
        client: The broker, whose queues are looked at twice a second.
        sure_work_s: Time in seconds for which no job is given way to.
    """
    started_s = looked_at_s = time.monotonic()
    for kind, number in steps:
        removed[kind] += number
        now_s = time.monotonic()
        if now_s - started_s < sure_work_s or now_s - looked_at_s < LOOK_EVERY_S:
            continue
        looked_at_s = now_s
        if _job_waits(client):
            return False
    return True


def _job_waits(client: redis.Redis) -> bool:
    try:
        return any(signals.queue_depth(client, queue) for queue in queues().values())
    except redis.RedisError:
        return False  # without a broker no job comes


@dg.graph(name="retention_job", description="Deletes what is older than the settings keep it.")
def _retention() -> None:
    delete_what_is_old()


retention_job = _retention.to_job(
    executor_def=dg.in_process_executor,
    tags={
        QUEUE_TAG: COMMON_QUEUE,
        PRIORITY_TAG: "0",
        MAX_RUNTIME_TAG: str(LONGEST_RUN_S),
    },
)
