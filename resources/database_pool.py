"""Connections to Postgres that are kept open between statements."""

from typing import Any

from dagster_postgres.utils import create_pg_engine
from sqlalchemy.engine import Engine

POOL_SIZE = 4


def pooled_engine(url: str, *, statement_timeout_ms: int, recycle_s: int, overflow: int) -> Engine:
    """Return an engine with a pool; a connection that the server has dropped is replaced.

    Dagster's own pools hold one connection and open the others anew for each statement: a process
    of the server's and 9 ms each time that two requests come at once.
    """
    options: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        "pool_size": POOL_SIZE,
        "max_overflow": overflow,
        "pool_recycle": recycle_s,
        "pool_pre_ping": True,
        "pool_use_lifo": True,
        "connect_args": {"options": f"-c statement_timeout={statement_timeout_ms}"},
    }
    return create_pg_engine(url, None, **options)
