"""API keys in a database: SQLite here, Postgres where a studio runs (``tests/api``)."""

import secrets
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine

from resources.access_tables import create_tables
from resources.api_keys import KeyNameTaken, KeyNotFound, KeyRing, Limits
from resources.audit_log import AuditEntry, AuditLog


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = create_engine(f"sqlite:///{tmp_path / 'access.sqlite'}")
    create_tables(made)
    create_tables(made)
    return made


@pytest.fixture
def ring(engine: Engine) -> KeyRing:
    return KeyRing(engine)


def test_a_key_is_recognised_and_nothing_else_is(ring: KeyRing) -> None:
    limits = Limits(60, 2, 100, 3600)
    key, secret = ring.create("demo", ("audio_master", "metrics"), limits, expires_at_s=4e9)
    assert ring.recognise(secret) == key == ring.all()[0]
    assert secret.startswith(key.prefix)
    assert key.owner == key.id
    twin = key.prefix + secrets.token_urlsafe(32)[: len(secret) - len(key.prefix)]
    for other in ("", "sk_", secret[:-1], secret + "a", secret.upper(), twin, "x" * 10_000):
        assert ring.recognise(other) is None


def test_secrets_are_long_and_never_alike(ring: KeyRing) -> None:
    drawn = {ring.create(f"{number}")[1] for number in range(50)}
    assert len(drawn) == len({secret[:11] for secret in drawn}) == 50
    assert {len(secret) for secret in drawn} == {3 + 43}


def test_the_secret_is_not_in_the_database(tmp_path: Path, ring: KeyRing) -> None:
    _, secret = ring.create("demo")
    dump = "\n".join(sqlite3.connect(tmp_path / "access.sqlite").iterdump())
    assert "demo" in dump
    assert secret not in dump
    assert secret[11:] not in dump


def test_a_name_is_free_again_when_its_key_is_revoked(ring: KeyRing) -> None:
    first, secret = ring.create("demo")
    with pytest.raises(KeyNameTaken):
        ring.create("demo")
    revoked = ring.revoke("demo")
    assert revoked.id == first.id
    assert ring.recognise(secret) == revoked
    assert revoked.revoked_at_s is not None
    second, _ = ring.create("demo")
    assert ring.named("demo") == ring.named(second.id) == ring.named(second.prefix) == second
    assert [key.id for key in ring.all()] == [first.id, second.id]
    for gone in (first.id, "nobody"):
        with pytest.raises(KeyNotFound):
            ring.revoke(gone)


@pytest.mark.parametrize(
    ("scopes", "admitted", "refused"),
    [
        (("*",), ("audio_master", "demix-master"), ("metrics",)),
        (("audio_master",), ("audio_master",), ("audio_demix", "metrics", "*")),
        (("metrics",), ("metrics",), ("audio_master",)),
        (("admin",), ("audio_master", "metrics"), ()),
        ((), (), ("audio_master", "metrics")),
    ],
)
def test_scopes(
    ring: KeyRing, scopes: tuple[str, ...], admitted: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    key, _ = ring.create("demo", scopes)
    assert all(key.allows(scope) for scope in admitted)
    assert not any(key.allows(scope) for scope in refused)
    assert key.is_admin == ("admin" in scopes)


def test_tables_are_created_once_by_many(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite'}"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: create_tables(create_engine(url)), range(8)))
    KeyRing(create_engine(url)).create("demo")


def test_entries_are_read_newest_last_and_grow_old(engine: Engine) -> None:
    log, now_s = AuditLog(engine), time.time()
    for number in range(10):
        actor = f"key_{number % 2}"
        log.add(AuditEntry(actor, "::1", "job.submitted", f"job_{number}", {}, now_s - 9 + number))
    assert [one.subject for one in log.read(limit=3)] == ["job_7", "job_8", "job_9"]
    assert [one.subject for one in log.read(limit=9, since_s=now_s - 2.5, actor="key_1")] == [
        "job_7",
        "job_9",
    ]
    assert log.read(limit=9, action="job.deleted") == []
    assert log.delete_before(now_s - 0.5) == 9
    assert [one.subject for one in log.read(limit=9)] == ["job_9"]
