"""Who holds how much of a device's memory, and who waits for it: rows in Redis.

All processes that share a device keep one row each. A row holds what the process keeps loaded, what
it has leased for the job in hand, and what it waits for; it counts for ``ROW_TTL_S`` after it was
last told, and each process tells its own every ``BEAT_S``. Memory is counted in MiB. A machine
without a GPU keeps the same ledger of its RAM.
"""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from resources.ledger_script import EXCHANGE

BEAT_S = 1.0
# Six beats may be late before a process counts as dead and its memory as free.
ROW_TTL_S = 6.0
# A level of priority is worth half a minute of waiting: nobody waits for ever.
LEVEL_S = 30.0
# After a restart every living tenant has told its row within this time.
SETTLED_AFTER_S = 3
# A server that hangs must not hold up a job for long.
TIMEOUT_S = 2.0
DEVICES_KEY = "studio:memory:devices"

Phase = Literal["idle", "waiting", "working"]


@dataclasses.dataclass(frozen=True)
class Offer:
    """Idle models that could be evicted, in MiB: those to be kept warm are the last to go."""

    cool: float = 0.0
    warm: float = 0.0


@dataclasses.dataclass(frozen=True)
class Row:
    """What one process holds and wants of a device.

    Attributes:
        phase: Whether it is idle, waits for a lease or works under one.
        resident_mib: Loaded models, and what the process itself takes of a GPU.
        working_mib: The lease in hand.
        wants_mib: The lease that it waits for.
        priority: 0 (lowest) to 9, of the job that waits.
        since_ms: Since when it waits, in the server's time; 0 before the server has said it.
        offers: Models that any other job may ask it to evict.
        spare: The part of them that its own waiting job will not need.
        idle_s: How long the oldest of them has not been used, in seconds.
        evictions: How often it has evicted; what was asked before the last time is out of date.
    """

    phase: Phase = "idle"
    resident_mib: float = 0.0
    working_mib: float = 0.0
    wants_mib: float = 0.0
    priority: int = 5
    since_ms: int = 0
    offers: Offer = Offer()
    spare: Offer = Offer()
    idle_s: float = 0.0
    evictions: int = 0

    def as_json(self) -> str:
        """Return the row as the script reads it."""
        return json.dumps(
            {
                "phase": self.phase,
                "residentMiB": self.resident_mib,
                "workingMiB": self.working_mib,
                "wantsMiB": self.wants_mib,
                "priority": self.priority,
                "sinceMs": self.since_ms,
                "offers": self.offers.__dict__,
                "spare": self.spare.__dict__,
                "idleS": self.idle_s,
                "evictions": self.evictions,
            }
        )


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the ledger says to a row that was told.

    Attributes:
        granted_mib: The lease that begins, or None.
        since_ms: Since when the tenant waits.
        now_ms: The server's time.
        spare_mib: How much of its own spare models the tenant should evict first.
    """

    granted_mib: float | None
    since_ms: int
    now_ms: int
    spare_mib: float


class Ledger:
    """One process's way to the ledger of one device; one thread at a time may tell or leave."""

    def __init__(self, redis_url: str, *, device: str, tenant: str, capacity_mib: float) -> None:
        self._tenant = tenant
        self._client = _connect(redis_url)
        # A connection that waits for words cannot tell rows meanwhile.
        self._listener = _connect(redis_url)
        self._script = self._client.register_script(EXCHANGE)
        self._rows, self._waiting, self._models, self._inboxes = (
            ledger_key(device, part) for part in ("rows", "waiting", "models", "inbox:")
        )
        self._terms = (
            device,
            capacity_mib,
            round(ROW_TTL_S * 1000),
            round(LEVEL_S * 1000),
            SETTLED_AFTER_S,
            self._inboxes,
        )

    def exchange(self, row: Row, models: str = "[]") -> Answer:
        """Tell this process's row and its models, as JSON; hear whether its lease begins.

        Raises:
            redis.RedisError: The server does not answer. Which row it has, the old or the new one,
                is not known until the row is told again.
        """
        keys = (self._rows, self._waiting, self._models, DEVICES_KEY)
        with self._whole():
            said = self._script(keys, (self._tenant, row.as_json(), models, *self._terms))
        granted_mib, since_ms, now_ms, spare_mib = said
        return Answer(
            granted_mib=None if float(granted_mib) < 0 else float(granted_mib),
            since_ms=int(since_ms),
            now_ms=int(now_ms),
            spare_mib=float(spare_mib),
        )

    def leave(self) -> None:
        """Remove the row of a process that ends in good order."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hdel(self._rows, self._tenant)
        pipeline.hdel(self._models, self._tenant)
        pipeline.zrem(self._waiting, self._tenant)
        with self._whole():
            pipeline.execute()

    def ask_peers_to_evict(self) -> int:
        """Ask the other processes on the device to evict all that is idle; return how many."""
        with self._whole():
            rows: dict[str, str] = self._client.hgetall(self._rows)  # pyright: ignore[reportAssignmentType]
            told = {tenant: json.loads(row) for tenant, row in rows.items()}
            peers = [
                tenant
                for tenant, row in told.items()
                if tenant != self._tenant and any(row["offers"].values())
            ]
            pipeline = self._client.pipeline(transaction=False)
            for tenant in peers:
                word = f"evict inf {told[tenant]['evictions']}"
                pipeline.rpush(self._inboxes + tenant, word)
                pipeline.expire(self._inboxes + tenant, round(ROW_TTL_S))
            pipeline.execute()
        return len(peers)

    def next_word(self, timeout_s: float) -> str | None:
        """Wait for a word to this process: ``look``, or ``evict``, MiB and the row's evictions."""
        word = self._listener.blpop([self._inboxes + self._tenant], timeout_s)
        return str(word[1]) if word else None  # pyright: ignore[reportIndexIssue]

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Forget a connection on which a signal may have left half an exchange."""
        try:
            yield
        except BaseException:
            self._client.connection_pool.disconnect()
            raise


def tenant_name(host: str, pid: int) -> str:
    """Name a process among all that share a ledger."""
    return f"{host}:{pid}"


def ledger_key(device: str, part: str) -> str:
    """Name a key of a device's ledger."""
    return f"studio:memory:{device}:{part}"


def _connect(redis_url: str) -> redis.Redis:
    # Told again every second, a row needs no second try of its own.
    return redis.Redis.from_url(
        redis_url,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
