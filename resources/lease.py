"""A lease on a device's memory for one stretch of work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, TypeVar

from resources import memory_meter
from resources.devices import CPU, Terms
from resources.memory_ladder import Attempt, OutOfMemory, Rung, Step, is_out_of_memory, ladder
from resources.model_cache import ModelSource, Precision
from resources.tenant import Tenant
from resources.tenants import tenant_on
from resources.wish import Wish

Done = TypeVar("Done")

WEIGHTS = "weights"
# Below this it is not worth the time to give free memory back to the kernel.
TRIM_FROM_MIB = 64.0


class RunLog(Protocol):
    """Where a run's steps are written: Dagster's log manager, or a logger."""

    def warning(self, msg: str) -> Any:
        """Write a line that people should see."""


@dataclass(frozen=True)
class Order:
    """What a lease is asked for.

    Attributes:
        work: What is done; peaks are learned by it.
        size: Class of the input's size, as :func:`~resources.forecast.size_class` names it.
        guess_mib: What it needs beside its models, before anything was measured.
        models: The models that it uses.
        priority: Of the job, 0 (lowest) to 9.
    """

    work: str
    size: str
    guess_mib: float
    models: tuple[ModelSource, ...] = ()
    priority: int = 5


@dataclass
class _Use:
    """What the stretch used, filled in as it goes on; see :meth:`Lease.describe`."""

    waited_s: float = 0.0
    peak_mib: dict[str, float] = field(default_factory=dict)
    rss_mib: float = 0.0
    steps: list[str] = field(default_factory=list)


class Lease:
    """A context in which a device's memory is this process's to use.

    Attributes:
        device: Where to compute: ``cpu``, or a CUDA device such as ``cuda:0``.
    """

    def __init__(
        self, device: str, terms: Terms, order: Order, log: RunLog, on_wait: Callable[[], None]
    ) -> None:
        self.device = device
        self._terms = terms
        self._order = order
        self._log = log
        self._on_wait = on_wait
        self._use = _Use()
        self._mark: memory_meter.Mark | None = None
        self._loaded_mib = 0.0

    def __enter__(self) -> "Lease":
        try:
            self._take()
        except BaseException:
            self._tenant.release()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._give_back()
        if error is not None and is_out_of_memory(error):
            raise self._out_of_memory() from error

    @property
    def _tenant(self) -> Tenant:
        return tenant_on(self.device, self._terms)

    def model(self, source: ModelSource, precision: Precision = "full") -> Any:
        """Return a model of the order, loaded on the lease's device; it is kept for later jobs.

        Raises:
            ValueError: The order does not name the model, so no room was leased for it.
        """
        if source not in self._order.models:
            raise ValueError(f"the lease of {self._order.work} does not name {source.name}")
        tenant = self._tenant
        value, loaded_mib = tenant.borrow(source, precision)
        tenant.books.count_model(source.name, loaded=loaded_mib is not None)
        if loaded_mib is not None:
            self._loaded_mib += loaded_mib
            tenant.books.learn(source.name, f"{WEIGHTS} {precision}", loaded_mib)
        return value

    def on_ladder(
        self,
        work: Callable[[Rung], Done],
        *,
        tiles: Sequence[int | None] = (None,),
        half: bool = False,
    ) -> Done:
        """Do the work; where memory does not suffice try again with less, down to the CPU.

        Args:
            work: Does it as the rung says, from the beginning each time. Models are to be asked
                for inside, by :meth:`model`.
            tiles: Sizes of the pieces that it can be done in, the largest first.
            half: Whether it can be done in half precision.

        Raises:
            OutOfMemory: The last rung failed too.
        """
        failure = ""
        for step in ladder(self.device, tiles, half=half):
            if failure:
                self._step_down(step, failure)
            with Attempt(self.device) as attempt:
                return work(step.rung)
            assert attempt.failure is not None
            failure = attempt.failure
        raise self._out_of_memory()

    def describe(self) -> dict[str, Any]:
        """Return what was used, for an answer's metrics, once the lease has ended."""
        use = self._use
        figures: dict[str, Any] = {"device": self.device, "rssMiB": round(use.rss_mib, 1)}
        for device, peak_mib in use.peak_mib.items():
            name = "peakRamMiB" if device == CPU else "peakVramMiB"
            figures[name] = round(peak_mib, 1)
        return figures | {"waitedMs": round(use.waited_s * 1000, 1), "oomSteps": list(use.steps)}

    def _take(self) -> None:
        tenant, order = self._tenant, self._order
        books = tenant.books
        wish = Wish(
            working_mib=books.predicted_mib(order.work, order.size, order.guess_mib),
            weights_mib={
                one.key(): books.predicted_mib(one.name, f"{WEIGHTS} full", one.guess_mib)
                for one in order.models
            },
            priority=order.priority,
        )
        waited_s = tenant.acquire(wish, self._on_wait)
        self._loaded_mib = 0.0
        self._mark = memory_meter.begin(self.device)
        self._use.waited_s += waited_s
        books.count_lease(order.work, waited_s)

    def _give_back(self) -> None:
        tenant, mark = self._tenant, self._mark
        used = None
        try:
            if mark is not None:
                used = memory_meter.used_since(mark)
                if used.grown_mib >= TRIM_FROM_MIB:
                    memory_meter.return_unused(self.device)
        finally:
            self._mark = None
            tenant.release()
        if used is not None:
            self._use.rss_mib = used.rss_mib
            self._use.peak_mib[self.device] = used.grown_mib
            beside_models_mib = max(0.0, used.grown_mib - self._loaded_mib)
            tenant.books.learn(self._order.work, self._order.size, beside_models_mib)

    def _step_down(self, step: Step, failure: str) -> None:
        self._log.warning(f"Out of memory on {self.device} ({failure}); next: {step.name}.")
        self._use.steps.append(step.name)
        self._tenant.books.count_step(self._order.work, step.name)
        # The work asks for its models again; those of another precision are in its way.
        self._tenant.models.give_all_back()
        if step.relief == "evict":
            keys = [one.key(step.rung.precision) for one in self._order.models]
            self._tenant.evict_idle(but=keys)
        elif step.relief == "move":
            # One lease at a time: waiting for the second with the first in hand could be for ever.
            self._give_back()
            self.device = step.rung.device
            self._take()

    def _out_of_memory(self) -> OutOfMemory:
        capacity_mib = self._tenant.capacity_mib
        tried = f" Tried: {', '.join(self._use.steps)}." if self._use.steps else ""
        return OutOfMemory(
            f"The job did not fit into the memory of {self.device}, {capacity_mib:.0f} MiB.{tried}",
            hint="Send a smaller input, or try again when less is running.",
        )
