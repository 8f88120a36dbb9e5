"""The device that operations run on, and what they use of it."""

import importlib.metadata
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import dagster as dg
import psutil

MIB = 1 << 20


@dataclass
class DeviceUse:
    """What one stretch of work used; filled in when it ends.

    Attributes:
        device: ``cpu`` or a CUDA device such as ``cuda:0``.
        peak_vram_mib: Highest device memory held by tensors, or None on a CPU.
        rss_mib: Resident memory of the process at the end.
    """

    device: str
    peak_vram_mib: float | None = None
    rss_mib: float = field(default=0.0)

    def describe(self) -> dict[str, Any]:
        """Return it for an answer's metrics."""
        figures = {"device": self.device, "rssMiB": round(self.rss_mib, 1)}
        if self.peak_vram_mib is not None:
            figures["peakVramMiB"] = round(self.peak_vram_mib, 1)
        return figures


class Gpu(dg.ConfigurableResource):
    """Gives an op its device: a CUDA device where there is one, else the CPU."""

    preference: str = "auto"

    @property
    def device(self) -> str:
        """Return ``cuda:0`` or ``cpu``; ``CUDA_VISIBLE_DEVICES`` is respected."""
        if self.preference != "auto":
            return self.preference
        return "cuda:0" if visible_gpu_indices() and torch_has_cuda() else "cpu"

    @contextmanager
    def use(self) -> Iterator[DeviceUse]:
        """Measure what the block uses of the device."""
        use = DeviceUse(self.device)
        if use.device != "cpu":
            import torch

            torch.cuda.reset_peak_memory_stats(use.device)
        try:
            yield use
        finally:
            if use.device != "cpu":
                import torch

                use.peak_vram_mib = torch.cuda.max_memory_allocated(use.device) / MIB
            use.rss_mib = psutil.Process().memory_info().rss / MIB


@cache
def torch_has_cuda() -> bool:
    """Return whether the installed torch can drive a GPU; its CPU build says so in its version."""
    return not importlib.metadata.version("torch").endswith("+cpu")


@cache
def _nvml() -> Any | None:
    """Return NVIDIA's management library, or None where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


@cache
def visible_gpu_indices() -> tuple[int, ...]:
    """Return the indices, as the driver counts, of the GPUs that this process may use."""
    nvml = _nvml()
    if nvml is None:
        return ()
    count = nvml.nvmlDeviceGetCount()
    return chosen_indices(os.environ.get("CUDA_VISIBLE_DEVICES"), count, _index_of_uuid)


def chosen_indices(
    names: str | None, count: int, index_of_uuid: Callable[[str], int | None]
) -> tuple[int, ...]:
    """Read ``CUDA_VISIBLE_DEVICES`` as CUDA does.

    Args:
        names: The variable's value, or None where it is not set and every GPU is visible.
        count: How many GPUs there are.
        index_of_uuid: Gives the index of the GPU of a UUID such as ``GPU-…``, or None.
    """
    if names is None:
        return tuple(range(count))
    chosen: list[int] = []
    for name in (part.strip() for part in names.split(",")):
        index = int(name) if name.isdecimal() else index_of_uuid(name)
        # CUDA ignores what follows the first name that it does not know.
        if index is None or index >= count:
            break
        chosen.append(index)
    return tuple(chosen)


def _index_of_uuid(uuid: str) -> int | None:
    nvml = _nvml()
    if nvml is None or not uuid.startswith("GPU-"):
        return None
    try:
        return nvml.nvmlDeviceGetIndex(nvml.nvmlDeviceGetHandleByUUID(uuid))
    except nvml.NVMLError:
        return None


def read_gpus() -> tuple[dict[str, Any], ...]:
    """Return the machine's GPUs with their memory in MiB and their load, empty without a driver."""
    nvml = _nvml()
    if nvml is None:
        return ()
    rows: list[dict[str, Any]] = []
    for index in visible_gpu_indices():
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        rows.append(
            {
                "index": index,
                "name": nvml.nvmlDeviceGetName(handle),
                "usedMiB": round(memory.used / MIB),
                "totalMiB": round(memory.total / MIB),
                "utilisationPercent": nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
            }
        )
    return tuple(rows)


def process_vram_mib(pid: int) -> float | None:
    """Return the memory that a process holds on the first visible GPU, or None without one."""
    nvml = _nvml()
    indices = visible_gpu_indices()
    if nvml is None or not indices:
        return None
    handle = nvml.nvmlDeviceGetHandleByIndex(indices[0])
    held = {row.pid: row.usedGpuMemory for row in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    return (held.get(pid) or 0) / MIB
