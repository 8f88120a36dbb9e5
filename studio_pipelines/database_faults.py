"""A database that goes away: noticed at once, told plainly, and used again when it is back."""

import functools
import time
from collections.abc import Callable
from typing import Any

import psycopg2
import sqlalchemy
import structlog
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from studio_pipelines.errors import StudioError

RETRY_INTERVAL_S = 0.5
TRIES = 3
# Events have their outbox, which waits for the database itself.
_IN_A_RUN = (
    "get_logs_for_run",
    "get_records_for_run",
    "add_run_tags",
    "get_run_by_id",
    "get_runs",
    "get_run_records",
    "has_run",
)
log = structlog.get_logger(__name__)

# After Postgres' own manual, appendix A: shutdown, crash, starting up, and too many connections.
_ENDED_BY_SERVER = ("57P", "53300")


class DatabaseUnavailable(StudioError):
    """The database with the jobs does not answer."""

    status = 503
    code = "database_unavailable"
    advice = (
        "Jobs can be neither taken nor looked up, and no job was made; those that run wait for "
        "it and go on. Try again in a few seconds."
    )
    is_of_one_item = False


def wait_for_server(engine: sqlalchemy.Engine, patience_s: float) -> None:
    """Have a new connection wait for a server that is away, instead of failing the run."""

    def on_connect(
        dialect: sqlalchemy.Dialect, _record: object, arguments: Any, options: Any
    ) -> Any:
        gives_up_at_s = time.monotonic() + patience_s
        while True:
            try:
                return dialect.connect(*arguments, **options)
            except psycopg2.OperationalError as error:
                if not _is_outage(error) or time.monotonic() > gives_up_at_s:
                    raise
                log.warning("the database is away", error=str(error).strip())
            time.sleep(RETRY_INTERVAL_S)

    event.listen(engine, "do_connect", on_connect)


def try_statements_again(storage: object) -> None:
    """Have a storage do again what was under way when the connection broke."""
    for name in _IN_A_RUN:
        if method := getattr(storage, name, None):
            setattr(storage, name, _tried_again(method))


def _tried_again(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **options: Any) -> Any:
        for _ in range(TRIES - 1):
            try:
                return method(*arguments, **options)
            except DBAPIError as error:
                if error.orig is None or not _is_outage(error.orig):
                    raise
                log.warning("the database went away in the middle", doing=method.__name__)
        return method(*arguments, **options)

    return call


def tell_outages(engine: sqlalchemy.Engine) -> None:
    """Have every failure to reach the server raised as DatabaseUnavailable, at once.

    Dagster tries a connection six times over eleven seconds otherwise, which is longer than a
    person waits for an answer.
    """

    def on_error(context: sqlalchemy.engine.ExceptionContext) -> None:
        if _is_outage(context.original_exception):
            raise DatabaseUnavailable(
                "The database does not answer, so jobs can be neither taken nor looked up.",
                hint="Try again in a few seconds.",
            ) from context.original_exception

    event.listen(engine, "handle_error", on_error)


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, psycopg2.InterfaceError):
        return True
    # A connection that breaks has no code; a fault of the statement has one.
    code = getattr(error, "pgcode", None)
    is_operational = isinstance(error, psycopg2.OperationalError)
    return is_operational and (code is None or code.startswith(_ENDED_BY_SERVER))
