"""Telling those who follow a run what happens in it, as it happens."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
import structlog
from dagster import DagsterEventType, DagsterInstance, DagsterRun, EventLogEntry

from resources import run_events, signals
from studio_pipelines.outcome import figures_of

# A broker that hangs holds the op up for so long, and is then left alone for a while.
BROKER_TIMEOUT_S = 0.5
LEFT_ALONE_S = 10.0
MAX_MESSAGE_LENGTH = 2000
log = structlog.get_logger(__name__)


@contextmanager
def followed(instance: DagsterInstance, run: DagsterRun, redis_url: str) -> Iterator[None]:
    """Have what happens in a run told while the block lasts: its states, its log, its figures."""
    teller = _Teller(run.run_id, redis_url)
    teller.tell("status", {"status": "starting"})
    instance.add_event_listener(run.run_id, teller.on_event)
    try:
        yield
    finally:
        # Dagster has no way to end a subscription, and this process runs many runs.
        instance._subscribers.pop(run.run_id, None)  # noqa: SLF001


class _Teller:
    def __init__(self, run_id: str, redis_url: str) -> None:
        self._run_id = run_id
        self._redis_url = redis_url
        self._left_alone_until_s = float("-inf")

    def on_event(self, entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            if int(entry.level) >= logging.INFO:
                self.tell("log", _log_line(entry))
        elif event.event_type is DagsterEventType.RUN_START:
            self.tell("status", {"status": "processing"})
        elif event.event_type is DagsterEventType.ASSET_MATERIALIZATION and (
            figures := figures_of(event)
        ):
            self.tell("metric", figures)

    def tell(self, kind: run_events.Kind, data: Mapping[str, Any]) -> None:
        if time.monotonic() < self._left_alone_until_s:
            return
        try:
            client = signals.connect(self._redis_url, BROKER_TIMEOUT_S)
            run_events.tell(client, self._run_id, kind, data)
        except redis.RedisError as error:
            self._left_alone_until_s = time.monotonic() + LEFT_ALONE_S
            log.warning("event not told", run_id=self._run_id, error=str(error))


def _log_line(entry: EventLogEntry) -> dict[str, str]:
    return {
        "level": logging.getLevelName(int(entry.level)).lower(),
        "message": entry.user_message[:MAX_MESSAGE_LENGTH],
    }
