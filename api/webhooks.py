"""Following jobs by webhook: what the routes do with the log."""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any

from api.asset_links import AssetLinks
from api.errors import WebhookNotFound
from api.schemas import Webhook
from api.webhook_post import WebhookPost
from resources import signals
from resources.run_tags import run_id_of
from resources.submission_claims import SubmissionKey
from resources.webhook_log import WebhookLog
from resources.webhook_records import Delivery, Subscription, new_subscription_id


class Webhooks:
    """Takes subscriptions, and tells how their messages went."""

    def __init__(self, redis_url: str, post: WebhookPost) -> None:
        self._log = WebhookLog(signals.connect(redis_url))
        self._post = post

    async def subscription(
        self, wanted: Webhook, links: AssetLinks, key: SubmissionKey | None
    ) -> Subscription:
        """Return the subscription of a request.

        Args:
            wanted: What it asks for.
            links: Where its client gets assets.
            key: Its idempotency key: a request that is sent again subscribes once.

        Raises:
            UrlRefused: Messages do not go to that URL.
            UrlUnavailable: There is no such host.
        """
        await self._post.check(wanted.url)
        own = new_subscription_id()
        if key is not None:
            own = hashlib.sha256(f"{key.name} {key.body}".encode()).hexdigest()[:24]
        return Subscription(own, wanted.url, tuple(wanted.events), links.base_url, links.key_id)

    async def deliveries(self, job_id: str) -> list[dict[str, Any]]:
        """Return the messages about a job with all tries, in the order in which they were written.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """

        def look() -> list[Delivery]:
            with signals.broker_faults():
                return self._log.deliveries(_run_id(job_id))

        return [described(one) for one in await asyncio.to_thread(look)]

    async def redeliver(self, job_id: str, message_id: str) -> dict[str, Any]:
        """Have a message sent once more, however it stands.

        Raises:
            WebhookNotFound: There is none, or no more.
            BrokerUnavailable: Redis does not answer.
        """

        def send() -> Delivery | None:
            with signals.broker_faults():
                found = self._log.delivery(_run_id(job_id), message_id)
                return found and self._log.send_again(_run_id(job_id), found)

        again = await asyncio.to_thread(send)
        if again is None:
            raise WebhookNotFound(
                f"No message {message_id[:60]!r} about this job is kept.",
                hint=f"GET /api/jobs/{job_id[:60]}/webhooks lists those that are.",
            )
        return described(again)


def described(delivery: Delivery) -> dict[str, Any]:
    """Return a message as clients see it."""
    return {
        "id": delivery.id,
        "url": delivery.url,
        "event": delivery.event,
        "status": delivery.status,
        "createdAt": _iso(delivery.created_at_s),
        "nextTryAt": _iso(delivery.next_try_at_s),
        "attempts": list(delivery.attempts),
    }


def _iso(time_s: float | None) -> str | None:
    if time_s is None:
        return None
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")


def _run_id(job_id: str) -> str:
    return run_id_of(job_id) or ""
