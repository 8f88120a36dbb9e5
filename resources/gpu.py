"""The device that operations run on, and the memory that they lease of it."""

import logging
from collections.abc import Callable

import dagster as dg
from pydantic import PrivateAttr

from resources.devices import Terms, chosen_device
from resources.lease import Lease, Order, RunLog
from resources.model_cache import ModelSource
from resources.run_tags import PRIORITY_TAG
from resources.tenants import release_leases


class Gpu(dg.ConfigurableResource):
    """Leases an op the memory of its device: of a GPU where there is one, else the RAM.

    Attributes:
        preference: ``auto``, or the device to take.
        redis_url: Where leases are agreed on with the other processes; empty for tests, and for
            whoever has the machine to himself.
        ram_percent: Share of the RAM that may be leased where there is no GPU.
        vram_reserve_mib: What is not leased of a GPU.
        model_idle_s: For how long a model is kept that no job uses.
        capacity_mib: What may be leased, instead of what the device has; 0 asks the device.
    """

    preference: str = "auto"
    redis_url: str = ""
    ram_percent: int = 60
    vram_reserve_mib: int = 1024
    model_idle_s: int = 900
    capacity_mib: int = 0
    _priority: int = PrivateAttr(default=5)
    _log: RunLog = PrivateAttr(default=logging.getLogger(__name__))

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Take the run's priority and its log."""
        if context.run is not None:
            self._priority = min(9, max(0, int(context.run.tags.get(PRIORITY_TAG, 5))))
        if context.log is not None:
            self._log = context.log

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Give back a lease that an interrupt may have left behind in its last instructions."""
        del context
        release_leases()

    @property
    def device(self) -> str:
        """Return ``cuda:0`` or ``cpu``; ``CUDA_VISIBLE_DEVICES`` is respected."""
        return chosen_device(self.preference)

    def lease(
        self,
        work: str,
        size: str,
        *,
        guess_mib: float,
        models: tuple[ModelSource, ...] = (),
        device: str | None = None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Lease:
        """Lease what a piece of work needs, as a context; wait for it where others have it.

        How much that is, is learned from the peaks of earlier leases of the same work and size.

        Args:
            work: What is done, such as the model's name.
            size: Class of the input's size, as :func:`~resources.forecast.size_class` names it.
            guess_mib: What it needs beside its models, before anything was measured.
            models: The models that it will ask the lease for.
            device: Where it computes, if it has no choice; else the resource's device.
            on_wait: Called once if the lease has to be waited for.

        Raises:
            OutOfMemory: From the context, where the work raised that memory did not suffice.
        """
        terms = Terms(
            redis_url=self.redis_url,
            ram_percent=self.ram_percent,
            vram_reserve_mib=self.vram_reserve_mib,
            model_idle_s=self.model_idle_s,
            capacity_mib=self.capacity_mib,
        )
        order = Order(work, size, guess_mib, models, self._priority)
        return Lease(device or self.device, terms, order, self._log, on_wait)
