"""Connections to Postgres that are kept open between statements."""

import select
from typing import Any

from dagster_postgres.utils import create_pg_engine
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DisconnectionError

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
        "pool_use_lifo": True,
        "connect_args": {"options": f"-c statement_timeout={statement_timeout_ms}"},
    }
    engine = create_pg_engine(url, None, **options)
    replace_dead_connections(engine)
    return engine


def replace_dead_connections(engine: Engine) -> None:
    """Have the pool give out no connection that the server has closed.

    The socket of an idle connection has nothing to read unless the server has ended it: looking
    costs microseconds, where SQLAlchemy's own ping is a round trip for each of a run's fifty
    connections.
    """

    def on_checkout(connection: Any, _record: object, _proxy: object) -> None:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            raise DisconnectionError("the server has closed this connection")

    event.listen(engine, "checkout", on_checkout)
