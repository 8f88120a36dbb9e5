"""What of Dagster's storage has grown old: runs with their events, and observations.

Dagster keeps both for ever. Its public interface deletes one run at a time and no observations, so
that the tables are named here; they are the same on Postgres and SQLite.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import DagsterEventType, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import Connection, delete, select

RUNS_AT_A_TIME = 50
OBSERVATIONS_AT_A_TIME = 1000
RUNLESS = ""


def inputs_awaited(instance: dg.DagsterInstance) -> set[str]:
    """Return the ids of the assets that runs which have not ended get as inputs."""
    unfinished = instance.get_runs(RunsFilter(statuses=NOT_FINISHED_STATUSES))
    return {asset_id for run in unfinished for asset_id in _inputs_in(run.run_config)}


def _inputs_in(config: Mapping[str, Any]) -> Iterator[str]:
    """Give what a run's config has as inputs, shared ones and those of its ops."""
    parts = (config, *config.get("ops", {}).values())
    for given in (value for part in parts for value in part.get("inputs", {}).values()):
        yield from [given] if isinstance(given, str) else given


def delete_old_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[int]:
    """Delete finished runs that nothing has changed since a time, with all their events.

    Yields:
        How many were deleted, after each batch: the caller may stop after any.
    """
    old = RunsFilter(statuses=FINISHED_STATUSES, updated_before=before)
    while run_ids := [
        record.dagster_run.run_id
        for record in instance.get_run_records(old, limit=RUNS_AT_A_TIME, ascending=True)
    ]:
        for run_id in run_ids:
            # The run goes last: one whose deletion was cut short is found again.
            instance.event_log_storage.delete_events(run_id)
        storage = _sql_storage(instance)
        with storage.index_connection() as connection:
            checks = AssetCheckExecutionsTable
            connection.execute(delete(checks).where(checks.c.run_id.in_(run_ids)))
        for run_id in run_ids:
            instance.run_storage.delete_run(run_id)
        yield len(run_ids)


def delete_old_observations(instance: dg.DagsterInstance, before: datetime) -> Iterator[int]:
    """Delete the observations that sensors recorded before a time.

    Yields:
        How many were deleted, after each batch.
    """
    storage = _sql_storage(instance)
    # SQLite keeps a second copy by run, here that of no run; on Postgres the two are one.
    for connect in (lambda: storage.run_connection(RUNLESS), storage.index_connection):
        while deleted := _delete_observations(connect(), before):
            yield deleted


def _delete_observations(connecting: AbstractContextManager[Connection], before: datetime) -> int:
    events, tags = SqlEventLogStorageTable, AssetEventTagsTable
    old = (
        select(events.c.id)
        .where(events.c.run_id == RUNLESS)
        .where(events.c.dagster_event_type == DagsterEventType.ASSET_OBSERVATION.value)
        .where(events.c.timestamp < before.astimezone(UTC).replace(tzinfo=None))
        .order_by(events.c.id)
        .limit(OBSERVATIONS_AT_A_TIME)
    )
    with connecting as connection:
        ids = [row[0] for row in connection.execute(old)]
        if ids:
            connection.execute(delete(tags).where(tags.c.event_id.in_(ids)))
            connection.execute(delete(events).where(events.c.id.in_(ids)))
    return len(ids)


def _sql_storage(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    return storage
