"""API keys: drawn, recognised, and kept as hashes.

A key is 256 random bits, so that nobody guesses one, however fast he can try: what slow and keyed
hashes are for, passwords that people choose, does not arise, and SHA-256 it is.
"""

import dataclasses
import hashlib
import hmac
import secrets
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as db
from sqlalchemy.engine import Engine, RowMapping
from sqlalchemy.exc import IntegrityError

from resources.access_tables import API_KEYS
from studio_pipelines.errors import StudioError

MARK = "sk_"
SECRET_BYTES = 32
PREFIX_LENGTH = len(MARK) + 8
LONGEST_SECRET = 100
ALL_OPERATIONS = "*"
ADMIN = "admin"
METRICS = "metrics"


class KeyNameTaken(StudioError):
    """A key of this name is valid."""

    status = 409
    code = "key_name_taken"
    advice = "Take another name for `studio keys create`, or revoke that key."


class KeyNotFound(StudioError):
    """There is no such key."""

    status = 404
    code = "key_not_found"
    advice = "`studio keys list` shows the keys that there are."


@dataclass(frozen=True)
class Limits:
    """How much a key may ask for; None is no limit.

    Attributes:
        rate_per_minute: Requests within any minute.
        concurrent_jobs: Jobs that have not ended.
        daily_jobs: Jobs begun in a day of UTC.
        daily_seconds: Seconds that workers spend on its jobs in a day of UTC.
    """

    rate_per_minute: int | None = None
    concurrent_jobs: int | None = None
    daily_jobs: int | None = None
    daily_seconds: int | None = None


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept: everything but the key itself.

    Attributes:
        id: ``key_`` and 16 hex digits.
        name: What people call it; one valid key has it.
        prefix: How the key begins, to be recognised by.
        owner: Whose things it works with: its own id, or that of the key that it replaces.
        scopes: Operations and chains, or ``*`` for all; ``admin``; ``metrics``.
        limits: How much it may ask for.
        created_at_s: When it was made, in Unix time.
        expires_at_s: Until when it is valid, or None.
        revoked_at_s: When it was revoked, or None.
    """

    id: str
    name: str
    prefix: str
    owner: str
    scopes: tuple[str, ...]
    limits: Limits
    created_at_s: float
    expires_at_s: float | None = None
    revoked_at_s: float | None = None

    @property
    def is_admin(self) -> bool:
        """Whether it sees everything and may do everything."""
        return ADMIN in self.scopes

    def allows(self, scope: str) -> bool:
        """Whether it is for an operation or chain, or for ``metrics``."""
        named = {scope} if scope == METRICS else {scope, ALL_OPERATIONS}
        return self.is_admin or bool(named & set(self.scopes))

    def is_expired(self, now_s: float) -> bool:
        """Whether its time is over."""
        return self.expires_at_s is not None and self.expires_at_s <= now_s


def digest_of(secret: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


class KeyRing:
    """Makes, finds and revokes keys in the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self,
        name: str,
        scopes: Collection[str] = (ALL_OPERATIONS,),
        limits: Limits | None = None,
        *,
        expires_at_s: float | None = None,
        owner: str | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key, and return it with the secret, which nobody can read again.

        Args:
            name: What people call it.
            scopes: What it is for.
            limits: How much it may ask for; no limits by default.
            expires_at_s: Until when it is valid, in Unix time.
            owner: Whose things it works with; by default its own.

        Raises:
            KeyNameTaken: A valid key has that name.
        """
        secret = MARK + secrets.token_urlsafe(SECRET_BYTES)
        key_id = f"key_{secrets.token_hex(8)}"
        key = ApiKey(
            id=key_id,
            name=name,
            prefix=secret[:PREFIX_LENGTH],
            owner=owner or key_id,
            scopes=tuple(scopes),
            limits=limits or Limits(),
            created_at_s=time.time(),
            expires_at_s=expires_at_s,
        )
        row = {**asdict(key), "scopes": list(key.scopes), "digest": digest_of(secret)}
        try:
            with self._engine.begin() as connection:
                connection.execute(db.insert(API_KEYS).values(row))
        except IntegrityError as error:
            raise KeyNameTaken(
                f"There is a key named {name!r} already.",
                hint=f"Take another name, or revoke it: studio keys revoke {name}.",
            ) from error
        return key, secret

    def all(self) -> list[ApiKey]:
        """Return every key, the revoked ones too, in the order in which they were made."""
        return self._keys(db.select(API_KEYS).order_by(API_KEYS.c.created_at_s))

    def recognise(self, secret: str) -> ApiKey | None:
        """Return the key that a secret is, valid or not; None where it is none."""
        if not secret.startswith(MARK) or len(secret) > LONGEST_SECRET:
            return None
        alike = db.select(API_KEYS).where(API_KEYS.c.prefix == secret[:PREFIX_LENGTH])
        digest = digest_of(secret)
        with self._engine.connect() as connection:
            rows = connection.execute(alike).mappings().all()
        found = [row for row in rows if hmac.compare_digest(row["digest"], digest)]
        return _key(found[0]) if found else None

    def of_id(self, key_id: str) -> ApiKey | None:
        """Return the key of an id, valid or not; None where there is none."""
        found = self._keys(db.select(API_KEYS).where(API_KEYS.c.id == key_id))
        return found[0] if found else None

    def named(self, name: str) -> ApiKey:
        """Return the valid key of a name, an id or a prefix.

        Raises:
            KeyNotFound: There is none.
        """
        columns = (API_KEYS.c.name, API_KEYS.c.id, API_KEYS.c.prefix)
        meant = db.or_(*(column == name for column in columns))
        found = self._keys(db.select(API_KEYS).where(meant, API_KEYS.c.revoked_at_s.is_(None)))
        if len(found) != 1:
            raise KeyNotFound(
                f"There is no key {name!r} that is not revoked.",
                hint="`studio keys list` shows those that there are.",
            )
        return found[0]

    def revoke(self, name: str) -> ApiKey:
        """Revoke the key of a name, an id or a prefix; what belongs to it stays.

        Raises:
            KeyNotFound: There is none that is not revoked.
        """
        key = dataclasses.replace(self.named(name), revoked_at_s=time.time())
        change = db.update(API_KEYS).where(API_KEYS.c.id == key.id)
        with self._engine.begin() as connection:
            connection.execute(change.values(revoked_at_s=key.revoked_at_s))
        return key

    def _keys(self, statement: db.Select[Any]) -> list[ApiKey]:
        with self._engine.connect() as connection:
            return [_key(row) for row in connection.execute(statement).mappings()]


def _key(row: RowMapping) -> ApiKey:
    values: dict[str, Any] = {f"{name}": value for name, value in row.items() if name != "digest"}
    made = {"scopes": tuple(values["scopes"]), "limits": Limits(**values["limits"])}
    return ApiKey(**{**values, **made})
