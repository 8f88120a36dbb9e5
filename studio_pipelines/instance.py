"""This process's way to Dagster's storage."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from dagster import DagsterInstance

from resources.database_pool import replace_dead_connections
from resources.event_storage import Batch, StudioEventLogStorage
from studio_pipelines.database_faults import (
    tell_outages,
    try_statements_again,
    wait_for_server,
)

STATEMENT_TIMEOUT_MS = 30_000
POOL_RECYCLE_S = 3600
POOL_OVERFLOW = 20
CONNECT_TIMEOUT_S = 3
PATIENCE_S = 60.0  # and Dagster tries six times


def open_instance(*, waits: bool = True) -> DagsterInstance:
    """Open the Dagster instance of ``DAGSTER_HOME`` with pooled connections where it is Postgres.

    Dagster opens a connection for each statement unless it is the web server; pooling them halves
    the time of a small run.

    Args:
        waits: Whether to wait for a database that is away, as a run does; otherwise
            DatabaseUnavailable is raised at once, as suits a request.
    """
    os.environ.setdefault("PGCONNECT_TIMEOUT", str(CONNECT_TIMEOUT_S))
    with _one_at_a_time():
        instance = DagsterInstance.get()
    if isinstance(instance.event_log_storage, StudioEventLogStorage):
        instance.optimize_for_webserver(
            statement_timeout=STATEMENT_TIMEOUT_MS,
            pool_recycle=POOL_RECYCLE_S,
            max_overflow=POOL_OVERFLOW,
        )
        for storage in (
            instance.run_storage,
            instance.event_log_storage,
            instance.schedule_storage,
        ):
            engine = storage._engine  # noqa: SLF001  # pyright: ignore
            replace_dead_connections(engine)
            if waits:
                wait_for_server(engine, PATIENCE_S)
                try_statements_again(storage)
            else:
                tell_outages(engine)
    return instance


def batched_events(
    instance: DagsterInstance, run_id: str, start_tags: Mapping[str, str]
) -> AbstractContextManager[Batch]:
    """Let storage write a run's events several at once, where it is Postgres."""
    storage = instance.event_log_storage
    if isinstance(storage, StudioEventLogStorage):
        return storage.batching(run_id, start_tags)
    return nullcontext(Batch(run_id, start_tags))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let one process of this machine at a time create the tables of a new database."""
    with (Path(os.environ["DAGSTER_HOME"]) / "storage.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
