"""Sending one webhook: signed as Standard Webhooks lays down, and to public addresses only.

The specification is at https://github.com/standard-webhooks/standard-webhooks.
"""

import asyncio
import base64
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

from api.fetch_policy import (
    FetchPolicy,
    UrlRefused,
    UrlUnavailable,
    checked_addresses,
    checked_url,
)
from api.kept_secret import kept_secret
from api.pinned_requests import pinned_response
from studio_pipelines.settings import Settings

FIELD = "webhook.url"
KEPT_IN = "webhook.secret"
SECRET_BYTES = 32
CONNECT_TIMEOUT_S = 5.0
ANSWER_WITHIN_S = 15.0
GONE = 410
_ANY_PORT = frozenset(range(1, 1 << 16))


@dataclass(frozen=True)
class Attempt:
    """How one try went.

    Attributes:
        at: When it began, as ISO 8601 in UTC.
        status: HTTP status of the answer, or None where none came.
        error: Why none came, or None.
        took_ms: How long it took.
    """

    at: str
    status: int | None
    error: str | None
    took_ms: float

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has taken the message."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_unwanted(self) -> bool:
        """Whether the receiver wants no more of them."""
        return self.status == GONE

    def describe(self) -> dict[str, Any]:
        """Return it as the log tells it."""
        return {
            "at": self.at,
            "status": self.status,
            "error": self.error,
            "tookMs": self.took_ms,
        }


@dataclass(frozen=True)
class WebhookPost:
    """Posts messages.

    Attributes:
        policy: Where they may go, and the time limits.
        secret: What they are signed with, as ``whsec_`` and base64.
    """

    policy: FetchPolicy
    secret: str

    @classmethod
    def of(cls, settings: Settings) -> "WebhookPost":
        """Return the post of a deployment."""
        policy = FetchPolicy(
            allowed_hosts=settings.webhook_allowed_hosts,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            total_timeout_s=ANSWER_WITHIN_S,
        )
        if settings.webhook_allow_private_addresses:
            policy = replace(policy, allow_private_addresses=True, allowed_ports=_ANY_PORT)
        return cls(policy, settings.webhook_secret or own_secret(settings.data_dir))

    async def check(self, url: str) -> None:
        """Refuse, before there is a job, a URL that no message can go to.

        Raises:
            UrlRefused: It is not of the kind that is posted to, or not on the public internet.
            UrlUnavailable: There is no such host.
        """
        try:
            await checked_addresses(checked_url(url, self.policy), self.policy)
        except (UrlRefused, UrlUnavailable) as error:
            error.field = FIELD
            error.hint = "Give an http(s) URL of a server on the internet, or ask the operator."
            raise

    async def send(self, url: str, message_id: str, payload: str) -> Attempt:
        """Post a message once, and tell how that went."""
        at, began_s = datetime.now(UTC), time.monotonic()
        status = error = None
        try:
            async with asyncio.timeout(self.policy.total_timeout_s):
                status = await self._post(url, payload, self._headers(message_id, at, payload))
        except (UrlRefused, UrlUnavailable) as fault:
            error = fault.message
        except TimeoutError:
            error = f"No answer within {self.policy.total_timeout_s:g} s."
        took_ms = round(1000 * (time.monotonic() - began_s), 1)
        return Attempt(at.isoformat(timespec="milliseconds"), status, error, took_ms)

    async def _post(self, url: str, payload: str, headers: Mapping[str, str]) -> int:
        target = checked_url(url, self.policy)
        addresses = await checked_addresses(target, self.policy)
        content = payload.encode()
        # A redirect is no answer: it would have the message go where nobody wanted it.
        async with pinned_response(
            "POST", target, addresses, self.policy, headers=headers, content=content
        ) as response:
            return response.status

    def _headers(self, message_id: str, at: datetime, payload: str) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Content-Length": str(len(payload.encode())),
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(message_id, at, payload),
        }


def own_secret(data_dir: Path) -> str:
    """Return the secret that is kept in the data folder, made when it is first asked for."""
    return kept_secret(data_dir / KEPT_IN, _draw)


def _draw() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
