"""Hearing of runs that end: one Redis subscription for the whole process."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
import structlog

from resources import signals

RECONNECT_AFTER_S = 0.5
RECALL_TIMEOUT_S = 2.0
log = structlog.get_logger(__name__)


class Expectation:
    """One caller's wait for one run's end."""

    def __init__(self) -> None:
        self._outcome: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def fulfil(self, outcome: dict[str, Any]) -> None:
        """Hand the outcome over; a second one changes nothing."""
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    async def within(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the outcome, or None if it does not come in time."""
        done, _ = await asyncio.wait({self._outcome}, timeout=timeout_s)
        return self._outcome.result() if done else None


class OutcomeListener:
    """Listens to the outcomes channel and wakes whoever waits for that run."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.asyncio.Redis.from_url(
            redis_url, decode_responses=True, socket_connect_timeout=2
        )
        self._waiting: defaultdict[str, set[Expectation]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Subscribe, in the background, and again after every outage."""
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """End the subscription."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._redis.aclose()

    @contextmanager
    def expect(self, run_id: str) -> Iterator[Expectation]:
        """Register a wait for a run's end for as long as the block lasts."""
        expectation = Expectation()
        self._waiting[run_id].add(expectation)
        try:
            yield expectation
        finally:
            self._waiting[run_id].discard(expectation)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    async def recall(self, run_id: str) -> dict[str, Any] | None:
        """Return the outcome of a run that ended a while ago, or None if Redis knows of none."""
        try:
            async with asyncio.timeout(RECALL_TIMEOUT_S):
                text = await self._redis.get(signals.outcome_key(run_id))
        except (redis.RedisError, TimeoutError):
            return None  # the database is asked next
        return json.loads(text) if text else None

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(signals.OUTCOME_CHANNEL)
                    async for message in subscription.listen():
                        if message["type"] == "message":
                            self._tell(json.loads(message["data"]))
            except redis.RedisError as error:
                log.warning("outcomes not heard", error=str(error))
            await asyncio.sleep(RECONNECT_AFTER_S)

    def _tell(self, outcome: dict[str, Any]) -> None:
        for expectation in tuple(self._waiting.get(outcome["runId"], ())):
            expectation.fulfil(outcome)
