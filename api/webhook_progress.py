"""Progress by webhook: posted when it is news, and never again."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from api.webhook_post import WebhookPost
from resources.run_tags import job_id_of
from resources.webhook_log import WebhookLog
from resources.webhook_records import Subscription

MOST_AT_ONCE = 16
EVENT = "progress"


class ProgressTeller:
    """Posts how far jobs are to those who asked for it, at most every two seconds each."""

    def __init__(self, log: WebhookLog, post: WebhookPost) -> None:
        self._log = log
        self._post = post
        self._told: dict[str, str] = {}
        self._sending: set[asyncio.Task[Any]] = set()

    async def tell(self) -> None:
        """Look once at all jobs whose progress is followed."""
        standing = await asyncio.to_thread(self._log.progress)
        self._told = {run_id: told for run_id, told in self._told.items() if run_id in standing}
        for run_id, text in standing.items():
            if text is None or self._told.get(run_id) == text:
                continue
            if await asyncio.to_thread(self._log.may_tell_progress, run_id):
                self._told[run_id] = text
                for one in await asyncio.to_thread(self._log.subscriptions, run_id):
                    self._begin(run_id, one, json.loads(text))

    def _begin(self, run_id: str, subscription: Subscription, progress: Mapping[str, Any]) -> None:
        # What would have to wait would be old.
        if EVENT not in subscription.events or len(self._sending) >= MOST_AT_ONCE:
            return
        permille = round(1000 * progress["fraction"])
        payload = {
            "type": f"job.{EVENT}",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "data": {
                "jobId": job_id_of(run_id),
                "percent": permille / 10,
                "stage": progress["stage"],
            },
        }
        message_id = f"{subscription.message_id}_{permille}"
        sending = self._post.send(subscription.url, message_id, json.dumps(payload))
        task = asyncio.create_task(sending)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
