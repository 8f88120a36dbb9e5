"""Processes that share a device of 1000 MiB, as the ledger sees them."""

import dataclasses
from typing import Any

import redis

from resources.vram_ledger import Answer, Ledger, Row

CAPACITY_MIB = 1000


def when_settled(url: str) -> None:
    """Wait until the server grants leases: a young one leaves tenants time to come back."""
    client = redis.Redis.from_url(url, decode_responses=True)
    ledger = Ledger(url, device="none", tenant="first", capacity_mib=1)
    row = Row(phase="waiting", wants_mib=1)
    while ledger.exchange(row).granted_mib is None:
        client.blpop(["studio:test:nothing"], 0.05)
    client.flushdb()


@dataclasses.dataclass
class Speaker:
    """A process as the ledger sees it: it tells rows."""

    name: str
    ledger: Ledger
    since_ms: int = 0

    def tells(self, models: str = "[]", **row: Any) -> Answer:
        return self.ledger.exchange(Row(**row), models)

    def wants(self, mib: float, **row: Any) -> Answer:
        row = {"since_ms": self.since_ms, **row}
        answer = self.tells(phase="waiting", wants_mib=mib, **row)
        self.since_ms = 0 if answer.granted_mib is not None else answer.since_ms
        return answer

    def holds(self, mib: float, **row: Any) -> Answer:
        return self.tells(phase="working", working_mib=mib, **row)

    def hears(self) -> str | None:
        return self.ledger.next_word(0.01)
