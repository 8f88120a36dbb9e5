"""What is learned and counted of the use of memory: forecasts, and the series of ``/metrics``."""

from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

import redis
import structlog

from resources import forecast, signals, telemetry
from resources.model_cache import Evicted

log = structlog.get_logger(__name__)


class MemoryBooks:
    """Learns and counts for one kind of device; without a server it does neither.

    What is learned and counted is written when :meth:`write` is called, so that no job waits for
    it, and an interrupt finds no half-written exchange.
    """

    def __init__(self, redis_url: str, kind: str) -> None:
        self._redis_url = redis_url
        self._kind = kind
        self._unwritten: SimpleQueue[Callable[[redis.Redis], None]] = SimpleQueue()

    def predicted_mib(self, work: str, size: str, guess_mib: float) -> float:
        """Return what a piece of work will need, as far as it was learned; else the guess."""
        if not self._redis_url:
            return guess_mib
        client = signals.connect(self._redis_url)
        return forecast.predicted_mib(client, self._kind, work, size, guess_mib=guess_mib)

    def learn(self, work: str, size: str, peak_mib: float) -> None:
        """Take a measured peak into account."""
        self._unwritten.put(
            partial(forecast.learn, kind=self._kind, work=work, size=size, peak_mib=peak_mib)
        )

    def count_lease(self, work: str, waited_s: float) -> None:
        """Count a lease, and how long it was waited for."""
        labels = {"device": self._kind, "work": work}
        self._unwritten.put(
            partial(
                telemetry.observe,
                name="studio_lease_wait_seconds",
                value_s=waited_s,
                labels=labels,
            )
        )

    def count_model(self, model: str, *, loaded: bool) -> None:
        """Count the use of a model: a load, or a hit of the cache."""
        name = "studio_model_loads_total" if loaded else "studio_model_cache_hits_total"
        self._count(name, {"model": model})

    def count_evicted(self, evicted: list[Evicted]) -> None:
        """Count models that were evicted."""
        for one in evicted:
            log.info("model evicted", model=one.name, mib=round(one.mib), reason=one.reason)
            self._count("studio_evictions_total", {"model": one.name, "reason": one.reason})

    def count_step(self, work: str, step: str) -> None:
        """Count a step of the out-of-memory ladder."""
        self._count("studio_oom_steps_total", {"work": work, "step": step})

    def write(self) -> None:
        """Write what came up since the last time.

        Raises:
            redis.RedisError: The server does not answer; what was being written is lost.
        """
        # What comes up meanwhile is for the next time: the beat must not wait for it.
        for _ in range(self._unwritten.qsize()):
            write_one = self._unwritten.get_nowait()
            write_one(signals.connect(self._redis_url))

    def _count(self, name: str, labels: dict[str, str]) -> None:
        labels = {"device": self._kind, **labels}
        self._unwritten.put(partial(telemetry.count, name=name, labels=labels))
