"""The audit log: who did what, when, from where. Entries are added and grow old, never changed."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as db
from sqlalchemy.engine import Engine

from resources.access_tables import AUDIT


@dataclass(frozen=True)
class AuditEntry:
    """One thing that was done.

    Attributes:
        actor: Id of the key, ``local`` where keys are off, or ``cli:`` and the user's name.
        address: Where it was asked for from, or empty.
        action: What was done, such as ``job.submitted``.
        subject: Id of what it was done to.
        detail: What else is known, such as the operation; never a secret.
        at_s: When, in Unix time.
    """

    actor: str
    address: str
    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    at_s: float = field(default_factory=time.time)

    def describe(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


class AuditLog:
    """Adds entries to the table, and reads them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, entry: AuditEntry) -> None:
        """Write an entry down."""
        with self._engine.begin() as connection:
            connection.execute(db.insert(AUDIT).values(asdict(entry)))

    def read(
        self,
        *,
        limit: int,
        since_s: float = 0.0,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
    ) -> list[AuditEntry]:
        """Return the newest entries, oldest first.

        Args:
            limit: How many at most.
            since_s: None older than this, in Unix time.
            actor: Only what this one did.
            action: Only what was done so.
            subject: Only what was done to this.
        """
        wanted = {AUDIT.c.actor: actor, AUDIT.c.action: action, AUDIT.c.subject: subject}
        columns = (column for column in AUDIT.c if column is not AUDIT.c.id)
        newest = (
            db.select(*columns)
            .where(AUDIT.c.at_s >= since_s)
            .where(*(column == value for column, value in wanted.items() if value is not None))
            .order_by(AUDIT.c.id.desc())
            .limit(limit)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(newest).mappings().all()
        return [AuditEntry(**row) for row in reversed(rows)]

    def delete_before(self, at_s: float) -> int:
        """Delete the entries from before a Unix time, and return how many they were."""
        with self._engine.begin() as connection:
            return connection.execute(db.delete(AUDIT).where(AUDIT.c.at_s < at_s)).rowcount
