"""The models that a process keeps loaded on one device, and which of them go first."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from resources import memory_meter
from resources.model_folder import InstalledModel
from resources.vram_ledger import Offer

Precision = Literal["full", "half"]


class ModelKey(NamedTuple):
    """What makes two loaded models the same: their weights, and how they were loaded."""

    sha256: str
    precision: Precision


@dataclass(frozen=True)
class ModelSource:
    """How to load a model.

    Attributes:
        name: The model's name, as people know it.
        sha256: Hash of its weights.
        load: Gives the model on a device (``cpu``, ``cuda:0``) in a precision.
        guess_mib: Memory that it takes, as far as is known before it was ever loaded.
        keep_warm: Whether only a job that waits may have it evicted, and only after the others.
        idle_s: For how long it is kept unused, or None for the process's own limit.
    """

    name: str
    sha256: str
    load: Callable[[str, Precision], Any]
    guess_mib: float
    keep_warm: bool = False
    idle_s: float | None = None

    @classmethod
    def of(cls, model: InstalledModel, load: Callable[[str, Precision], Any]) -> "ModelSource":
        """Return how to load a model that was pulled."""
        return cls(model.name, model.sha256, load, model.declaration.memory_mib)

    def key(self, precision: Precision = "full") -> ModelKey:
        """Return what the cache knows the model by."""
        return ModelKey(self.sha256, precision)


@dataclass
class _Held:
    source: ModelSource
    value: Any
    mib: float
    in_use: bool = False
    hits: int = 0
    used_at_s: float = field(default_factory=time.monotonic)

    @property
    def idle_s(self) -> float:
        return 0.0 if self.in_use else time.monotonic() - self.used_at_s

    def is_overdue(self, limit_s: float) -> bool:
        if self.source.idle_s is not None:
            limit_s = self.source.idle_s
        return not self.source.keep_warm and self.idle_s > limit_s


@dataclass(frozen=True)
class Evicted:
    """A model that was let go, and why."""

    name: str
    mib: float
    reason: Literal["asked", "idle"]


class ModelCache:
    """Loads each model once, keeps those in use, and evicts the one unused for longest.

    Any thread may call it. A load holds up other loads, but nobody else: the process goes on
    telling the ledger what it holds.
    """

    def __init__(self, device: str, *, idle_s: float) -> None:
        self._device = device
        self._idle_s = idle_s
        self._held: dict[ModelKey, _Held] = {}
        self._lock = threading.RLock()
        self._loading = threading.Lock()

    def borrow(
        self, source: ModelSource, precision: Precision = "full"
    ) -> tuple[Any, float | None]:
        """Return a model, and the MiB that it takes if it had to be loaded, else None.

        It stays until :meth:`give_all_back`.
        """
        found = self._borrow_loaded(source.key(precision))
        if found is not None:
            return found.value, None
        with self._loading:
            found = self._borrow_loaded(source.key(precision))
            if found is not None:
                return found.value, None
            before_mib = memory_meter.held_mib(self._device)
            value = source.load(self._device, precision)
            mib = memory_meter.size_mib(value, self._device, before_mib)
            with self._lock:
                self._held[source.key(precision)] = _Held(source, value, mib, in_use=True)
            return value, mib

    def pin(self, keys: Collection[ModelKey]) -> None:
        """Keep those of the models that are loaded until :meth:`give_all_back`."""
        with self._lock:
            for key in keys:
                if key in self._held:
                    self._held[key].in_use = True

    def give_all_back(self) -> None:
        """End the use of all models; whatever interrupted it, none is kept from eviction."""
        with self._lock:
            for held in self._held.values():
                if held.in_use:
                    held.in_use, held.used_at_s = False, time.monotonic()

    def holds(self, key: ModelKey) -> bool:
        """Return whether the model is loaded."""
        with self._lock:
            return key in self._held

    def evict(self, mib: float, *, but: Collection[ModelKey] = ()) -> list[Evicted]:
        """Evict unused models until ``mib`` are free: the oldest first, those kept warm last."""
        with self._lock:
            unused = [key for key in self._unused() if key not in but]
            unused.sort(key=lambda key: (self._held[key].source.keep_warm, -self._held[key].idle_s))
            dropped: list[_Held] = []
            while unused and sum(held.mib for held in dropped) < mib:
                dropped.append(self._held.pop(unused.pop(0)))
        return self._let_go(dropped, "asked")

    def evict_overdue(self) -> list[Evicted]:
        """Evict the models that nobody has used for longer than they are kept."""
        with self._lock:
            overdue = [key for key in self._unused() if self._held[key].is_overdue(self._idle_s)]
            dropped = [self._held.pop(key) for key in overdue]
        return self._let_go(dropped, "idle")

    def resident_mib(self) -> float:
        """Return what all loaded models take."""
        with self._lock:
            return sum(held.mib for held in self._held.values())

    def offer(self, but: Collection[ModelKey] = ()) -> Offer:
        """Return what could be evicted, those named left out."""
        with self._lock:
            unused = [self._held[key] for key in self._unused() if key not in but]
            return Offer(
                cool=sum(held.mib for held in unused if not held.source.keep_warm),
                warm=sum(held.mib for held in unused if held.source.keep_warm),
            )

    def longest_idle_s(self) -> float:
        """Return for how long the model that has waited longest has not been used."""
        with self._lock:
            return max((held.idle_s for held in self._held.values()), default=0.0)

    def describe(self) -> list[dict[str, Any]]:
        """Return a row for each loaded model, as the workers' status shows it."""
        with self._lock:
            return [
                {
                    "name": held.source.name,
                    "state": "loaded",
                    "precision": key.precision,
                    "MiB": round(held.mib, 1),
                    "inUse": held.in_use,
                    "idleS": round(held.idle_s, 1),
                    "hits": held.hits,
                    "keepWarm": held.source.keep_warm,
                }
                for key, held in self._held.items()
            ]

    def _borrow_loaded(self, key: ModelKey) -> _Held | None:
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                held.in_use = True
                held.hits += 1
            return held

    def _unused(self) -> Iterator[ModelKey]:
        return (key for key, held in self._held.items() if not held.in_use)

    def _let_go(self, dropped: list[_Held], reason: Literal["asked", "idle"]) -> list[Evicted]:
        told = [Evicted(held.source.name, held.mib, reason) for held in dropped]
        dropped.clear()
        if told:
            memory_meter.return_unused(self._device)
        return told
