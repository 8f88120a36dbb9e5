"""The gate by itself: what passes it, and what it says where it cannot know."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy.engine import Engine
from starlette.types import Message, Scope

from api.asset_links import Link, LinkSigner
from api.gate import OPEN, Admitted, Gate, Gatekeeper, path_of
from api.known_keys import FRESH_S, KnownKeys
from api.refusals import LinkInvalid
from resources.access_tables import METADATA
from resources.api_keys import KeyRing, Limits
from resources.signals import BrokerUnavailable
from studio_pipelines.access_database import open_access_database
from studio_pipelines.database_faults import DatabaseUnavailable
from studio_pipelines.settings import Settings, load_settings

NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path, database_url="sqlite", require_keys=True)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    made = open_access_database(settings)
    yield made
    made.dispose()


def request(secret: str, path: str = "/api/jobs") -> Request:
    headers = [(b"authorization", f"Bearer {secret}".encode())]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b""}
    return Request({**scope, "headers": headers})


def admitted(settings: Settings, engine: Engine, secret: str) -> Admitted:
    keeper = Gatekeeper(settings, NOBODY_LISTENS, KeyRing(engine), LinkSigner.of(settings))
    return asyncio.run(keeper.admit(request(secret)))


def test_without_the_broker_a_key_without_a_rate_reads_on(
    settings: Settings, engine: Engine
) -> None:
    key, secret = KeyRing(engine).create("free", limits=Limits(concurrent_jobs=3))
    assert admitted(settings, engine, secret).caller.key == key
    _, limited = KeyRing(engine).create("limited", limits=Limits(rate_per_minute=3))
    with pytest.raises(BrokerUnavailable):
        admitted(settings, engine, limited)


def test_the_key_of_a_link_is_asked_for_once_in_a_while(settings: Settings, engine: Engine) -> None:
    ring, signer = KeyRing(engine), LinkSigner.of(settings)
    keeper = Gatekeeper(settings, NOBODY_LISTENS, ring, signer)

    def opened(key_id: str) -> str | None:
        query = signer.query(Link("ast_1", key_id)).encode()
        scope = {"type": "http", "method": "GET", "path": "/api/assets/ast_1", "headers": []}
        return asyncio.run(
            keeper.admit(Request({**scope, "query_string": query}))
        ).caller.linked_asset

    (valid, _), (revoked, _) = ring.create("valid"), ring.create("revoked")
    expired, _ = ring.create("expired", expires_at_s=1.0)
    ring.revoke("revoked")
    assert opened(valid.id) == "ast_1"
    for key_id in (revoked.id, expired.id, "key_0", ""):
        with pytest.raises(LinkInvalid, match="no longer valid"):
            opened(key_id)
    METADATA.drop_all(engine)
    assert opened(valid.id) == "ast_1"


def test_without_the_database_nobody_is_let_in_and_it_is_said(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=2"
    with pytest.raises(DatabaseUnavailable):
        open_access_database(load_settings(data_dir=tmp_path, database_url=url))


def test_a_key_is_asked_for_once_in_a_while(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = KeyRing(engine)
    known, (key, secret) = KnownKeys(ring), ring.create("demo")
    assert known.recognise(secret) == key
    assert known.recognise("sk_none") is None
    METADATA.drop_all(engine)
    assert known.recognise(secret) == key
    assert known.recognise("sk_none") is None
    monkeypatch.setattr("api.known_keys.FRESH_S", -FRESH_S)
    METADATA.create_all(engine)
    known = KnownKeys(ring)
    again, secret = ring.create("demo")
    assert known.recognise(secret) == again
    ring.revoke("demo")
    revoked = known.recognise(secret)
    assert revoked is not None
    assert revoked.revoked_at_s is not None


@pytest.mark.parametrize(
    ("path", "root", "seen"),
    [
        ("/docs", "", "/docs"),
        ("/studio/docs", "/studio", "/docs"),
        ("/studio/api/jobs", "/studio", "/api/jobs"),
        ("/studios/docs", "/studio", "/studios/docs"),
        ("/docs", "/studio", "/docs"),
    ],
)
def test_a_path_below_where_the_studio_is_mounted(path: str, root: str, seen: str) -> None:
    assert path_of({"path": path, "root_path": root}) == seen


def passed(scope: Scope) -> tuple[bool, list[Message]]:
    """Return whether a scope reaches the app behind the gate, and what was sent."""
    reached: list[Scope] = []
    sent: list[Message] = []

    async def app(scope: Scope, _receive: Any, _send: Any) -> None:
        reached.append(scope)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is to be read")

    asyncio.run(Gate(app)(scope, receive, send))
    return bool(reached), sent


def test_open_paths_pass_and_sockets_do_not() -> None:
    for path in OPEN:
        assert passed({"type": "http", "path": path}) == (True, [])
    assert passed({"type": "lifespan"}) == (True, [])
    reached, (message,) = passed({"type": "websocket", "path": "/api/jobs"})
    assert not reached
    assert message["type"] == "websocket.close"
