"""This process's way to Dagster's storage."""

from dagster import DagsterInstance
from dagster_postgres.event_log import PostgresEventLogStorage

STATEMENT_TIMEOUT_MS = 30_000
POOL_RECYCLE_S = 3600
POOL_OVERFLOW = 20


def open_instance() -> DagsterInstance:
    """Open the Dagster instance of ``DAGSTER_HOME`` with pooled connections where it is Postgres.

    Dagster opens a connection for each statement unless it is the web server; pooling them halves
    the time of a small run.
    """
    instance = DagsterInstance.get()
    if isinstance(instance.event_log_storage, PostgresEventLogStorage):
        instance.optimize_for_webserver(
            statement_timeout=STATEMENT_TIMEOUT_MS,
            pool_recycle=POOL_RECYCLE_S,
            max_overflow=POOL_OVERFLOW,
        )
    return instance
