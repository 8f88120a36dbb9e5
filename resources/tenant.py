"""This process as a tenant of a device's memory: its models, its lease and its row in the ledger.

What the process itself knows is the truth; its row in Redis follows, told whole each time. So a
broker that was away, or an interrupt in the middle of an exchange, is set right by the next beat.
"""

import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import redis
import structlog

from resources import memory_meter
from resources.devices import Terms, device_capacity_mib, device_kind, device_name
from resources.memory_books import MemoryBooks
from resources.model_cache import Evicted, ModelCache, ModelKey, ModelSource, Precision
from resources.unshared_ledger import UnsharedLedger
from resources.vram_ledger import BEAT_S, Answer, Ledger, Row, tenant_name
from resources.wish import LeaseHeld, Wish

LOOK_AGAIN_S = 0.1
TRY_AGAIN_S = 0.5
PEERS_ANSWER_S = 0.5
NO_ANSWER = Answer(granted_mib=None, since_ms=0, now_ms=0, spare_mib=0.0)
log = structlog.get_logger(__name__)


class Tenant:
    """One process on one device; at most one lease at a time.

    Attributes:
        device: ``cpu`` or a CUDA device such as ``cuda:0``.
        capacity_mib: What may be leased on the device.
        models: What the process keeps loaded there.
        books: What is learned and counted of it.
    """

    def __init__(self, device: str, terms: Terms, *, name: str | None = None) -> None:
        self.device = device
        self.capacity_mib = device_capacity_mib(device, terms)
        self.models = ModelCache(device, idle_s=terms.model_idle_s)
        self.books = MemoryBooks(terms.redis_url, device_kind(device))
        self._context_mib = memory_meter.context_mib(device)
        self._shared = bool(terms.redis_url)
        self._ledger: Ledger | UnsharedLedger = UnsharedLedger()
        if self._shared:
            self._ledger = Ledger(
                terms.redis_url,
                device=device_name(device),
                tenant=name or tenant_name(socket.gethostname(), os.getpid()),
                capacity_mib=self.capacity_mib,
            )
        self._wish: Wish | None = None
        self._since_ms = 0
        self._granted_mib: float | None = None
        self._evictions = 0
        self._away = False
        # One exchange at a time, so that rows arrive in order; and the few fields that an exchange
        # and an interrupted job would both change.
        self._talking = threading.Lock()
        self._changing = threading.Lock()
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._keeper = self._new_keeper()

    def acquire(self, wish: Wish, on_wait: Callable[[], None] = lambda: None) -> float:
        """Wait until the lease is granted; return the seconds waited.

        A broker that is away is waited for too. Interrupted, it leaves no wish behind.

        Args:
            wish: What is needed.
            on_wait: Called once if it has to be waited for.

        Raises:
            LeaseHeld: The process has a lease on this device already.
        """
        if self._granted_mib is not None:
            raise LeaseHeld(f"This process has a lease on {self.device} already.")
        asked_at_s = time.monotonic()
        self._begin_keeper()
        try:
            self._since_ms, self._wish = 0, wish
            if not self._is_granted(wish):
                on_wait()
                while not self._is_granted(wish):
                    self._woken.wait(LOOK_AGAIN_S)
                    self._woken.clear()
        except BaseException:
            self.release()
            raise
        return time.monotonic() - asked_at_s

    def borrow(self, source: ModelSource, precision: Precision) -> tuple[Any, float | None]:
        """Return a model for the time of the lease, and its MiB if it had to be loaded.

        What it takes passes from the lease to what the process keeps.
        """
        value, loaded_mib = self.models.borrow(source, precision)
        if loaded_mib is not None and self._granted_mib is not None:
            self._granted_mib = max(0.0, self._granted_mib - loaded_mib)
        return value, loaded_mib

    def release(self) -> None:
        """End the lease, or the wait for one; the models that it borrowed stay loaded."""
        with self._changing:
            self._wish, self._granted_mib = None, None
            self.models.give_all_back()
        self._tell()

    def evict_idle(self, *, but: Collection[ModelKey] = ()) -> None:
        """Evict the unused models on the device: this process's, save some, and its peers'."""
        self._evict(math.inf, but=but)
        try:
            with self._talking:
                asked = self._ledger.ask_peers_to_evict()
        except redis.RedisError as error:
            log.warning("peers not asked to evict", error=str(error))
            return
        # They answer within milliseconds unless they are in a long native call.
        self._stopped.wait(PEERS_ANSWER_S if asked else 0)

    def leave(self) -> None:
        """Give everything up and take the row out of the ledger."""
        self.release()
        self._evict(math.inf)
        with self._talking, suppress(redis.RedisError):
            self._stopped.set()
            self._ledger.leave()

    @property
    def is_engaged(self) -> bool:
        """Whether a lease is held or waited for."""
        return self._wish is not None or self._granted_mib is not None

    def _is_granted(self, wish: Wish) -> bool:
        try:
            spare_mib = self._exchange().spare_mib
            if spare_mib and self._evict(spare_mib, but=wish.weights_mib):
                self._exchange()
        except redis.RedisError as error:
            self._note_away(error)
            self._woken.wait(TRY_AGAIN_S)
        return self._granted_mib is not None

    def _exchange(self) -> Answer:
        """Tell the row as it is now, and take what is granted."""
        with self._talking:
            if self._stopped.is_set():
                return NO_ANSWER
            wish = self._wish
            row = self._row(wish)
            answer = self._ledger.exchange(row, json.dumps(self.models.describe()))
            self._away = False
            with self._changing:
                # A wish given up meanwhile is granted no more: the next row takes it back.
                if wish is not None and wish is self._wish:
                    self._since_ms = answer.since_ms
                    if answer.granted_mib is not None:
                        self.models.pin(wish.weights_mib)
                        self._granted_mib, self._wish = answer.granted_mib, None
                        self._woken.set()
            return answer

    def _row(self, wish: Wish | None) -> Row:
        granted_mib = self._granted_mib
        needed = wish.weights_mib if wish else {}
        missing_mib = sum(mib for key, mib in needed.items() if not self.models.holds(key))
        return Row(
            phase="waiting" if wish else "idle" if granted_mib is None else "working",
            resident_mib=self._context_mib + self.models.resident_mib(),
            working_mib=granted_mib or 0.0,
            wants_mib=wish.working_mib + missing_mib if wish else 0.0,
            priority=wish.priority if wish else 0,
            since_ms=self._since_ms,
            offers=self.models.offer(),
            spare=self.models.offer(but=needed),
            idle_s=self.models.longest_idle_s(),
            evictions=self._evictions,
        )

    def _tell(self) -> None:
        try:
            self._exchange()
        except redis.RedisError as error:
            self._note_away(error)

    def _note_away(self, error: redis.RedisError) -> None:
        if not self._away:
            log.warning("the ledger does not answer; leases wait for it", error=str(error))
        self._away = True

    def _evict(self, mib: float, *, but: Collection[ModelKey] = ()) -> list[Evicted]:
        # Not while a lease is being granted: it counts on the models that were there.
        with self._talking:
            evicted = self.models.evict(mib, but=but)
            self._evictions += 1
        self.books.count_evicted(evicted)
        return evicted

    def _evict_overdue(self) -> None:
        with self._talking:
            evicted = self.models.evict_overdue()
            self._evictions += len(evicted)
        self.books.count_evicted(evicted)

    def _new_keeper(self) -> threading.Thread:
        return threading.Thread(target=self._keep, name=f"memory-{self.device}", daemon=True)

    def _begin_keeper(self) -> None:
        """Have a thread that tells the row each second; a row untold counts as a dead process's."""
        if self._shared and not self._keeper.is_alive():
            self._keeper = self._new_keeper()
            self._keeper.start()

    def _keep(self) -> None:
        while not self._stopped.is_set():
            try:
                self._evict_overdue()
                self._exchange()
                self.books.write()
                self._heed(time.monotonic() + BEAT_S)
            except redis.RedisError as error:
                self._note_away(error)
                self._stopped.wait(BEAT_S)

    def _heed(self, until_s: float) -> None:
        """Do what other tenants ask for until the next beat is due, or after an eviction."""
        while (left_s := until_s - time.monotonic()) > 0:
            word = self._ledger.next_word(max(0.01, left_s))
            if word == "look":
                self._woken.set()
            elif word is not None:
                _, mib, evictions = word.split()
                # Asked again while the last time was not told yet, it would evict twice.
                if int(evictions) == self._evictions:
                    self._evict(float(mib))
                    return
