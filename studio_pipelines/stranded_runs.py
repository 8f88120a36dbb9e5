"""Runs that nobody has and nobody will take: found, and queued again.

The broker hands a task out once. A worker that dies between taking it and starting the run leaves
a run that waits for ever: Dagster's monitoring looks at runs that have started. Here the waiting
ones are compared with the broker's own lists.
"""

from collections.abc import Iterable
from datetime import datetime

import redis
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from resources import run_ownership, signals
from resources.launcher import WarmCeleryRunLauncher, is_scheduled
from resources.run_tags import QUEUE_TAG

SETTLED_AFTER_S = 5.0
NEVER_QUEUED_AFTER_S = 60.0
LOOK_AGAIN_AFTER_S = 15
UNSETTLED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]


def rescue_stranded(
    instance: DagsterInstance, client: redis.Redis, now: datetime
) -> dict[str, list[str]]:
    """Queue stranded runs again, and end those that were never queued.

    Returns:
        Ids of runs: ``requeued``, and ``canceled`` for those whose submission broke off before
        they were queued, so that nobody was told of them.

    Raises:
        redis.RedisError: The broker does not answer; nothing was done that is not whole.
    """
    records = [
        record
        for record in instance.get_run_records(RunsFilter(statuses=UNSETTLED))
        if _age_s(record, now) > SETTLED_AFTER_S
    ]
    never_queued = [
        record.dagster_run
        for record in records
        if record.dagster_run.status is DagsterRunStatus.NOT_STARTED
        and not is_scheduled(record.dagster_run)
        and _age_s(record, now) > NEVER_QUEUED_AFTER_S
    ]
    for run in never_queued:
        instance.report_run_canceled(run, message="The submission broke off before it was queued.")
    launcher = instance.run_launcher
    assert isinstance(launcher, WarmCeleryRunLauncher)
    stranded = list(_stranded(client, (record.dagster_run for record in records)))
    for run in stranded:
        launcher.send(run, resume=run.status is DagsterRunStatus.STARTED)
    return {
        "requeued": [run.run_id for run in stranded],
        "canceled": [run.run_id for run in never_queued],
    }


def _stranded(client: redis.Redis, runs: Iterable[DagsterRun]) -> Iterable[DagsterRun]:
    in_broker: dict[str, set[str]] = {}
    for run in runs:
        holder = run_ownership.holder(client, run.run_id)
        waits = holder == run_ownership.QUEUED or (
            holder is None and run.status is DagsterRunStatus.STARTING
        )
        if not waits or run.status is DagsterRunStatus.NOT_STARTED:
            continue
        queue = run.tags.get(QUEUE_TAG, "")
        if queue not in in_broker:
            in_broker[queue] = signals.queued_run_ids(client, queue)
        if run.run_id not in in_broker[queue] and _may_look(client, run.run_id):
            yield run


def _may_look(client: redis.Redis, run_id: str) -> bool:
    """Whether the run was not queued again a moment ago: its task may be on its way to a child."""
    key = f"studio:run:{run_id}:requeued"
    return bool(client.set(key, "1", nx=True, ex=LOOK_AGAIN_AFTER_S))


def _age_s(record: RunRecord, now: datetime) -> float:
    return now.timestamp() - record.update_timestamp.timestamp()
