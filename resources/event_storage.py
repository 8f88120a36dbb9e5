"""Dagster's event log on Postgres, with the events of a run written in batches.

Dagster stores a run's twenty events one by one, each with a statement that only notifies, and moves
the run's status with three statements more. Here a worker collects what happens within a quarter of
a second; what others wait for, the run's start and its end, is stored before the run goes on, in
one transaction with the run's new status.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import sqlalchemy as db
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus, EventLogEntry
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    JobFailureData,
    RunFailureReason,
)
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG
from dagster._serdes import deserialize_value, serialize_value
from dagster._time import datetime_from_timestamp
from dagster_postgres.event_log import PostgresEventLogStorage
from sqlalchemy.engine import Connection
from typing_extensions import override

from resources.database_pool import Pooled
from resources.event_outbox import EventOutbox

TIME_COLUMNS = {
    DagsterEventType.RUN_START: "start_time",
    DagsterEventType.RUN_SUCCESS: "end_time",
    DagsterEventType.RUN_FAILURE: "end_time",
    DagsterEventType.RUN_CANCELED: "end_time",
}
ENDED_STATUSES = {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED}
# Stored before the run goes on: others act on them.
AWAITED = frozenset(EVENT_TYPE_TO_PIPELINE_RUN_STATUS)


class RunHasEnded(DagsterExecutionInterruptedError):
    """A worker began with a run that had ended already, such as one canceled a moment before."""


@dataclass
class Batch:
    """One run whose events are written together.

    Attributes:
        run_id: The run.
        start_tags: Tags that it gets together with its start.
        end_was_refused: Whether it came to its end here when it had ended elsewhere before.
    """

    run_id: str
    start_tags: Mapping[str, str]
    end_was_refused: bool = False


class StudioEventLogStorage(Pooled, PostgresEventLogStorage):
    """Writes events and the run's status together; in a worker, several events at once."""

    def __init__(self, **options: Any) -> None:
        self._outbox: EventOutbox | None = None
        self._batch = Batch("", {})
        self._open = threading.local()
        super().__init__(**options)

    @property
    @override
    def handles_run_events_in_store_event(self) -> bool:
        return True

    @contextmanager
    def batching(self, run_id: str, start_tags: Mapping[str, str]) -> Iterator[Batch]:
        """Collect the events of a run for as long as the block lasts; all are stored at its end.

        Args:
            run_id: The run.
            start_tags: Tags that the run gets together with its start.
        """
        self._outbox, self._batch = EventOutbox(self._write), Batch(run_id, start_tags)
        try:
            yield self._batch
        finally:
            outbox, self._outbox = self._outbox, None
            outbox.close()

    @override
    def store_event(self, event: EventLogEntry) -> None:
        if self._outbox is None or event.run_id != self._batch.run_id:
            self._write([event])
            return
        kind = kind_of(event)
        self._outbox.put(event)
        if kind in AWAITED:
            self._outbox.flush()

    @override
    def get_records_for_run(self, run_id: str, *args: Any, **options: Any) -> Any:
        if self._outbox is not None and run_id == self._batch.run_id:
            self._outbox.flush()
        return super().get_records_for_run(run_id, *args, **options)

    @override
    def index_connection(self) -> AbstractContextManager[Connection]:
        """Give the transaction that is open in this thread, so that all is stored or nothing."""
        connection: Connection | None = getattr(self._open, "connection", None)
        return super().index_connection() if connection is None else nullcontext(connection)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self.index_transaction() as connection:
            self._open.connection = connection
            try:
                yield connection
            finally:
                self._open.connection = None

    def _write(self, events: Sequence[EventLogEntry]) -> None:
        id_column = SqlEventLogStorageTable.c.id
        insert = SqlEventLogStorageTable.insert().returning(id_column, sort_by_parameter_order=True)
        tags = self._batch.start_tags
        with self._transaction() as connection:
            kept = [event for event in events if may_follow(connection, event, tags)]
            rows = [self._event_to_row(event) for event in kept]
            ids = [int(row[0]) for row in connection.execute(insert, rows)] if rows else []
            for event, event_id in zip(kept, ids, strict=True):
                if kind_of(event) in ASSET_EVENTS:
                    self._store_asset_event_tags(connection, [event], [event_id])
                    self._store_asset_event(connection, event, event_id)
                elif kind_of(event) in ASSET_CHECK_EVENTS:
                    self.store_asset_check_event(event, event_id)
        self._batch.end_was_refused |= len(kept) < len(events)


def kind_of(entry: EventLogEntry) -> DagsterEventType | None:
    """Return the type of an event, or None for what an op logs."""
    return entry.dagster_event.event_type if entry.dagster_event else None


def may_follow(connection: Connection, entry: EventLogEntry, start_tags: Mapping[str, str]) -> bool:
    """Give the run the status that an event stands for; False if it has ended before.

    The first end counts: a run that was canceled while a worker took it stays canceled, and one
    that two workers finished is finished once.

    Raises:
        RunHasEnded: The event is the start of a run that has ended.
    """
    kind = kind_of(entry)
    if kind is None or kind not in EVENT_TYPE_TO_PIPELINE_RUN_STATUS:
        return True
    this_run = RunsTable.c.run_id == entry.run_id
    query = db.select(RunsTable.c.run_body, RunsTable.c.status).where(this_run).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        return True
    if DagsterRunStatus(row.status) in ENDED_STATUSES:
        if kind is DagsterEventType.RUN_START:
            raise RunHasEnded(f"run {entry.run_id} has ended: {row.status}")
        return False
    run = deserialize_value(row.run_body, DagsterRun)
    run = run.with_status(EVENT_TYPE_TO_PIPELINE_RUN_STATUS[kind])
    if kind is DagsterEventType.RUN_START:
        # In the run itself alone: nobody looks runs up by these.
        run = run.with_tags({**run.tags, **start_tags})
    if reason := _failure_reason(entry):
        run = run.with_tags({**run.tags, RUN_FAILURE_REASON_TAG: reason})
        tag = {"run_id": run.run_id, "key": RUN_FAILURE_REASON_TAG, "value": reason}
        connection.execute(RunTagsTable.insert().values(**tag))
    changes: dict[str, Any] = {
        "status": run.status.value,
        "run_body": serialize_value(run),
        "update_timestamp": datetime_from_timestamp(entry.timestamp),
    }
    if kind in TIME_COLUMNS:
        changes[TIME_COLUMNS[kind]] = entry.timestamp
    connection.execute(RunsTable.update().where(this_run).values(**changes))
    return True


def _failure_reason(entry: EventLogEntry) -> str | None:
    data = entry.get_dagster_event().event_specific_data
    reason = data.failure_reason if isinstance(data, JobFailureData) else None
    return reason.value if reason and reason is not RunFailureReason.UNKNOWN else None
