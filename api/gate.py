"""The gate before every route: who asks, whether he may, and whether it is too much.

What is not open by name is behind it, so that a new route need not be thought of.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.asset_links import Link, LinkSigner
from api.callers import LOCAL, Caller, linked
from api.errors import refusal_response
from api.known_keys import KnownKeys
from api.locality import require_local
from api.rate_headers import REQUESTS, turn_headers
from api.refusals import KeyInvalid, KeyMissing, LinkInvalid, RateLimited
from resources import signals
from resources.api_keys import METRICS, ApiKey, KeyRing
from resources.rate_limit import Turn, take_turn
from studio_pipelines.errors import StudioError
from studio_pipelines.settings import Settings

# Signs of life, and documents that say nothing of anybody.
OPEN = frozenset(
    {
        "/",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/docs/errors",
        "/docs/oauth2-redirect",
        "/redoc",
    }
)
METRICS_PATH = "/metrics"
READING = ("GET", "HEAD")
POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


@dataclass(frozen=True)
class Admitted:
    """Who was let in.

    Attributes:
        caller: Who it is.
        headers: What every answer tells him.
    """

    caller: Caller
    headers: Mapping[str, str] = field(default_factory=dict)


class Gatekeeper:
    """Tells who asks."""

    def __init__(
        self, settings: Settings, redis_url: str, ring: KeyRing, signer: LinkSigner | None
    ) -> None:
        self._settings = settings
        self._redis = signals.connect(redis_url)
        self._keys = KnownKeys(ring)
        self._signer = signer

    async def admit(self, request: Request) -> Admitted:
        """Return who asks.

        Raises:
            Refusal: He is not let in.
            DatabaseUnavailable: His key, or his link's, has to be looked up, and the database
                does not answer.
            BrokerUnavailable: His requests have to be counted, and Redis does not answer.
        """
        if self._signer is None:
            require_local(request, self._settings.cors_origins)
            return Admitted(LOCAL)
        path = path_of(request.scope)
        if request.method in READING:
            query = request.scope["query_string"].decode("latin-1")
            if link := self._signer.link(path, query):
                return await asyncio.to_thread(self._admit_linked, link)
        return await asyncio.to_thread(self._admit_key, bearer_of(request), path)

    def _admit_linked(self, link: Link) -> Admitted:
        key = self._keys.of_id(link.key_id)
        if key is None or key.revoked_at_s is not None or key.is_expired(time.time()):
            raise LinkInvalid(
                "The API key that the link was given to is no longer valid.",
                hint="Read the job or the asset again with another key for a new link.",
            )
        return Admitted(linked(link.asset_id))

    def _admit_key(self, secret: str, path: str) -> Admitted:
        key = self._keys.recognise(secret)
        if key is None:
            raise KeyInvalid("is not one of this studio's")
        if key.revoked_at_s is not None:
            raise KeyInvalid("was revoked")
        if key.is_expired(time.time()):
            raise KeyInvalid("has expired")
        caller = Caller(key.owner, key, is_admin=key.is_admin)
        headers = turn_headers(key.limits, self._turn(key))
        if path == METRICS_PATH:
            caller.require_scope(METRICS)
        return Admitted(caller, headers)

    def _turn(self, key: ApiKey) -> Turn | None:
        limit = key.limits.rate_per_minute
        if limit is None:
            return None
        with signals.broker_faults():
            turn = take_turn(self._redis, key.id, limit)
        if not turn.admitted:
            raise RateLimited(
                f"The API key has made {limit} requests within a minute, which is its limit.",
                REQUESTS,
                turn.next_in_s,
                turn_headers(key.limits, turn),
            )
        return turn


def bearer_of(request: Request) -> str:
    """Return the API key that a request brings (RFC 6750, section 2.1).

    Raises:
        KeyMissing: It brings none.
        KeyInvalid: It brings something else.
    """
    given = request.headers.get("authorization")
    if given is None:
        raise KeyMissing
    scheme, _, secret = given.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise KeyInvalid("has to be sent as `Authorization: Bearer sk_…`")
    return secret.strip()


def path_of(scope: Scope) -> str:
    """Return the path that routes see: below what the studio is mounted under."""
    path, root = scope["path"], scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


class Gate:
    """The gate as ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] == "lifespan" or path_of(scope) in OPEN:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":  # there are none
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        request = Request(scope)
        gatekeeper: Gatekeeper = request.app.state.services.gatekeeper
        try:
            admitted = await gatekeeper.admit(request)
        except StudioError as error:
            answer = refusal_response(error, instance=scope["path"])
            await answer(scope, receive, send)
            return
        request.state.caller = admitted.caller
        await self.app(scope, receive, _telling(send, admitted.headers))


def _telling(send: Send, headers: Mapping[str, str]) -> Send:
    """Return a sender that adds headers to an answer that does not have them yet."""

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = MutableHeaders(scope=message)
            for name, value in headers.items():
                told.setdefault(name, value)
        await send(message)

    return tell if headers else send
