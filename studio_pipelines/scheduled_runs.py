"""Runs that wait for their time: queued when it has come and their owner has a place for them."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime

import redis
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from resources.launcher import begin, is_scheduled
from resources.owner_places import jobs_under_way, turn_of
from resources.run_tags import (
    BATCH_TAG,
    NEXT_BATCH,
    PLACES_TAG,
    PRIORITY_TAG,
    QUEUED_AT_TAG,
    SCHEDULED_FOR_TAG,
    owner_of,
)


def queue_due(instance: DagsterInstance, client: redis.Redis, now: datetime) -> list[str]:
    """Queue the scheduled runs whose time has come, and return their ids.

    The most urgent of them come first, then the oldest. One whose owner has as many jobs under way
    as it may stays scheduled.

    Raises:
        redis.RedisError, kombu.exceptions.OperationalError: The broker does not answer; the run at
            hand is found stranded later, those after it stay scheduled.
    """
    waiting = RunsFilter(statuses=[DagsterRunStatus.NOT_STARTED])
    oldest_first = instance.get_run_records(waiting, ascending=True)
    due = [one.dagster_run for one in oldest_first if is_due(one.dagster_run, now)]
    by_urgency = sorted(due, key=lambda run: -int(run.tags.get(PRIORITY_TAG, 0)))
    return list(_queue_each(instance, client, by_urgency))


def is_due(run: DagsterRun, now: datetime) -> bool:
    """Whether a run is scheduled for a time that has come; its batch has to be called first."""
    if not is_scheduled(run) or run.tags.get(BATCH_TAG) == NEXT_BATCH:
        return False
    return datetime.fromisoformat(run.tags[SCHEDULED_FOR_TAG]) <= now


def _queue_each(
    instance: DagsterInstance, client: redis.Redis, runs: list[DagsterRun]
) -> Iterator[str]:
    for run in runs:
        owner, places = owner_of(run.tags), run.tags.get(PLACES_TAG)
        with turn_of(client, owner) if places else nullcontext():
            if places and jobs_under_way(instance, owner) >= int(places):
                continue
            instance.add_run_tags(run.run_id, {QUEUED_AT_TAG: f"{time.time():.3f}"})
            begin(instance, run)
        yield run.run_id
