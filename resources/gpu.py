"""The device that operations run on, and what they use of it."""

import os
from collections.abc import Iterator
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
        return "cuda:0" if visible_gpu_indices() else "cpu"

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
    there = range(nvml.nvmlDeviceGetCount())
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return tuple(there)
    chosen: list[int] = []
    for name in (part.strip() for part in allowed.split(",")):
        # CUDA ignores what follows the first name that it does not know.
        index = _index_of(nvml, name)
        if index is None or index not in there:
            break
        chosen.append(index)
    return tuple(chosen)


def _index_of(nvml: Any, name: str) -> int | None:
    if name.isdigit():
        return int(name)
    if name.startswith("GPU-"):
        try:
            return nvml.nvmlDeviceGetIndex(nvml.nvmlDeviceGetHandleByUUID(name))
        except nvml.NVMLError:
            return None
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
