"""The sender of webhooks: a task of each API process, which share the work through Redis.

It asks nothing of Dagster but how a job has ended, and holds nothing that Redis does not have: a
message is delivered at least once, whatever dies, and carries the same id each time.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import redis
import structlog
from sqlalchemy.exc import DBAPIError

from api.asset_links import AssetLinks, LinkSigner
from api.errors import JobNotFound
from api.job_events import ENDED
from api.presentation import present_job
from api.submission import JobSubmissionService
from api.webhook_post import Attempt, WebhookPost
from api.webhook_progress import ProgressTeller
from resources import signals, telemetry
from resources.run_tags import job_id_of
from resources.webhook_log import LOOK_AGAIN_S, Delivery, Subscription, WebhookLog
from studio_pipelines.errors import StudioError

TICK_S = 0.5
# Redis tells of an end at once; to ask storage is for what it missed, and these wait for days.
LOOK_AT_SCHEDULED_AGAIN_S = 300.0
MOST_AT_ONCE = 16
JITTER = 0.2
ATTEMPTS_KEPT = 50
log = structlog.get_logger(__name__)


class WebhookSender:
    """Finds jobs that have ended, writes the messages about them, and sends what is due."""

    def __init__(
        self,
        jobs: JobSubmissionService,
        redis_url: str,
        post: WebhookPost,
        retry_after_s: Sequence[float],
        signer: LinkSigner | None = None,
    ) -> None:
        self._jobs = jobs
        self._redis = signals.connect(redis_url)
        self._log = WebhookLog(self._redis)
        self._post = post
        self._retry_after_s = tuple(retry_after_s)
        self._signer = signer
        self._progress = ProgressTeller(self._log, post)
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until canceled; what was being sent then is sent by the next one to run."""
        has_to_wait = False
        try:
            while True:
                try:
                    for step in (self._write_ends, self._progress.tell, self._send_due):
                        await step()
                    has_to_wait = False
                except (redis.RedisError, DBAPIError, StudioError) as error:
                    if not has_to_wait:  # once an outage
                        log.warning("webhooks have to wait", error=str(error))
                    has_to_wait = True
                await asyncio.sleep(TICK_S)
        finally:
            for task in self._sending:
                task.cancel()

    async def _write_ends(self) -> None:
        for run_id in await asyncio.to_thread(self._perhaps_ended):
            await self._write_end(run_id)

    def _perhaps_ended(self) -> list[str]:
        """Return the followed runs that Redis knows to have ended, or that storage may know of."""
        followed = self._log.followed()
        if not followed:
            return []
        outcomes: Any = self._redis.mget([signals.outcome_key(run_id) for run_id in followed])
        now_s = time.time()
        return [
            run_id
            for (run_id, look_at_s), outcome in zip(followed.items(), outcomes, strict=True)
            if outcome or look_at_s <= now_s
        ]

    async def _write_end(self, run_id: str) -> None:
        subscriptions = await asyncio.to_thread(self._log.subscriptions, run_id)
        try:
            record = await self._jobs.record(job_id_of(run_id))
        except JobNotFound:  # it came to nothing, or was deleted
            await asyncio.to_thread(self._log.settle, run_id, subscriptions)
            return
        if record["status"] not in ENDED:
            is_idle = record["status"] == "scheduled"
            wait_s = LOOK_AT_SCHEDULED_AGAIN_S if is_idle else LOOK_AGAIN_S
            await asyncio.to_thread(self._log.look_later, run_id, wait_s)
            return
        for one in subscriptions:
            if record["status"] in one.events:
                await asyncio.to_thread(self._log.enter, run_id, message_about(record, one))
        await asyncio.to_thread(self._log.settle, run_id, subscriptions)

    async def _send_due(self) -> None:
        free = MOST_AT_ONCE - len(self._sending)
        for run_id, message_id in await asyncio.to_thread(self._log.take_due, free):
            task = asyncio.create_task(self._send(run_id, message_id))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, run_id: str, message_id: str) -> None:
        try:
            delivery = await asyncio.to_thread(self._log.delivery, run_id, message_id)
            if delivery is None:
                await asyncio.to_thread(self._log.drop_due, run_id, message_id)
                return
            body = body_of(delivery, AssetLinks(delivery.base_url, self._signer))
            attempt = await self._post.send(delivery.url, delivery.id, body)
            stands = after(delivery, attempt, self._retry_after_s)
            await asyncio.to_thread(self._log.update, run_id, stands)
            labels = {"event": stands.event, "status": stands.status}
            await asyncio.to_thread(telemetry.count, self._redis, "studio_webhooks_total", labels)
        except redis.RedisError as error:  # its lease lapses, and it is sent again
            log.warning("webhook not logged", message=message_id, error=str(error))


def message_about(record: dict[str, Any], subscription: Subscription) -> Delivery:
    """Return the message about a job's end: its record, to be told by :func:`body_of`."""
    payload = {
        "type": f"job.{record['status']}",
        "timestamp": record["finishedAt"] or datetime.now(UTC).isoformat(timespec="milliseconds"),
        "data": record,
    }
    return Delivery(
        id=subscription.message_id,
        url=subscription.url,
        event=record["status"],
        payload=json.dumps(payload),
        created_at_s=time.time(),
        base_url=subscription.base_url,
    )


def body_of(delivery: Delivery, links: AssetLinks) -> str:
    """Return what is sent: the record as ``GET /api/jobs/{id}`` has it now.

    Links to assets end, and a message may be tried for a day: each try has fresh ones.
    """
    message = json.loads(delivery.payload)
    return json.dumps({**message, "data": present_job(message["data"], links)})


def after(
    delivery: Delivery,
    attempt: Attempt,
    retry_after_s: Sequence[float],
    spread: Callable[[float, float], float] = random.uniform,
) -> Delivery:
    """Return how a message stands after a try.

    Args:
        delivery: How it stood before.
        attempt: How the try went.
        retry_after_s: Wait after each failure; when they are used up, the message is given up.
        spread: Draws the jitter, by which receivers that come back are not met by all at once.
    """
    tried = replace(
        delivery,
        tries=delivery.tries + 1,
        next_try_at_s=None,
        attempts=(*delivery.attempts, attempt.describe())[-ATTEMPTS_KEPT:],
    )
    if attempt.is_delivered:
        return replace(tried, status="delivered")
    if attempt.is_unwanted or delivery.tries >= len(retry_after_s):
        return replace(tried, status="given_up")
    wait_s = retry_after_s[delivery.tries] * spread(1 - JITTER, 1 + JITTER)
    return replace(tried, status="pending", next_try_at_s=time.time() + wait_s)
