"""Events of one run on their way to storage, written together by a thread of their own."""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from dagster import EventLogEntry
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import InterfaceError, OperationalError

LONGEST_DELAY_S = 0.25
GIVE_UP_AFTER_S = 60.0
PAUSE_S = 0.5
DATABASE_AWAY = (OperationalError, InterfaceError, DagsterPostgresException)
log = structlog.get_logger(__name__)


class EventOutbox:
    """Collects events and hands them to ``write`` in batches, in order, within ``LONGEST_DELAY_S``.

    A database that is away for up to ``GIVE_UP_AFTER_S`` costs no event: what it did not take is
    written again. The writing is done by a thread, so that an interrupt of the run never stops in
    the middle of a statement.

    Args:
        write: Stores events, all or none of them.
    """

    def __init__(self, write: Callable[[Sequence[EventLogEntry]], None]) -> None:
        self._write = write
        self._changed = threading.Condition()
        self._waiting: list[EventLogEntry] = []
        self._taken = 0
        self._stored = 0
        self._hurry = False
        self._closed = False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="event-outbox", daemon=True)
        self._thread.start()

    def put(self, entry: EventLogEntry) -> None:
        """Take an event."""
        with self._changed:
            self._waiting.append(entry)
            self._taken += 1
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything taken so far is stored.

        Raises:
            OperationalError, InterfaceError, DagsterPostgresException: The database was away for
                too long; what it did not take is lost.
            RunHasEnded: The run may not go on.
        """
        with self._changed:
            goal = self._taken
            self._hurry = self._stored < goal
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._stored >= goal or self._fault is not None)
            if self._fault is not None:
                fault, self._fault = self._fault, None
                raise fault

    def close(self) -> None:
        """Store what is left and end the thread.

        Raises:
            OperationalError, InterfaceError, DagsterPostgresException: As in ``flush``.
        """
        try:
            self.flush()
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            fault = self._store(batch)
            with self._changed:
                self._fault = fault
                self._stored += len(batch)
                self._changed.notify_all()

    def _next_batch(self) -> list[EventLogEntry]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(lambda: self._hurry or self._closed, timeout=LONGEST_DELAY_S)
            batch, self._waiting, self._hurry = self._waiting, [], False
            return batch

    def _store(self, batch: Sequence[EventLogEntry]) -> BaseException | None:
        gives_up_at_s = time.monotonic() + GIVE_UP_AFTER_S
        while True:
            try:
                self._write(batch)
            except DATABASE_AWAY as error:
                if time.monotonic() > gives_up_at_s:
                    return error
                log.warning("events not stored yet", count=len(batch), error=str(error))
                time.sleep(PAUSE_S)
            except BaseException as error:  # noqa: BLE001  raised where the run waits for it
                return error
            else:
                return None
