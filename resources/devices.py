"""The devices of this machine: which ones a process may use, and how much memory they have."""

import importlib.metadata
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

MIB = 1 << 20
CPU = "cpu"
# Where the kernel tells this process's limit: cgroup version 2, then version 1.
_CGROUP_LIMITS = (
    "/sys/fs/cgroup{group}/memory.max",
    "/sys/fs/cgroup/memory{group}/memory.limit_in_bytes",
)


@dataclass(frozen=True)
class Terms:
    """What a deployment fixes about memory.

    Attributes:
        redis_url: Server of the ledger; empty where the device is shared with nobody.
        ram_percent: Share of the RAM, or of the control group's limit, that may be leased.
        vram_reserve_mib: What is not leased of a GPU.
        model_idle_s: For how long a model is kept that no job uses.
        capacity_mib: What may be leased instead of what the device has; 0 asks the device.
    """

    redis_url: str = ""
    ram_percent: int = 60
    vram_reserve_mib: int = 1024
    model_idle_s: int = 900
    capacity_mib: int = 0


def chosen_device(preference: str = "auto") -> str:
    """Return ``cuda:0`` where torch can drive a visible GPU, else ``cpu``, unless told otherwise.

    Args:
        preference: ``auto``, or the device to take.
    """
    if preference != "auto":
        return preference
    return "cuda:0" if visible_gpu_indices() and torch_has_cuda() else CPU


def device_name(device: str) -> str:
    """Name a device as every process that shares it does: a GPU's UUID, or ``cpu@host``."""
    handle = _handle(device)
    if handle is None:
        return f"{device}@{socket.gethostname()}"
    return _known_nvml().nvmlDeviceGetUUID(handle)


def device_kind(device: str) -> str:
    """Name what computes alike wherever it is: ``cpu``, or a GPU's product name."""
    handle = _handle(device)
    if handle is None:
        return device.partition(":")[0]
    return _known_nvml().nvmlDeviceGetName(handle)


def device_capacity_mib(device: str, terms: Terms) -> float:
    """Return the memory that jobs may lease on a device, in MiB."""
    if terms.capacity_mib:
        return terms.capacity_mib
    handle = _handle(device)
    if handle is None:
        return ram_mib() * terms.ram_percent / 100
    total_mib = _known_nvml().nvmlDeviceGetMemoryInfo(handle).total / MIB
    return max(0.0, total_mib - terms.vram_reserve_mib)


def ram_mib() -> float:
    """Return the memory of the machine, or of the control group where it has less, in MiB."""
    return min(psutil.virtual_memory().total, *_cgroup_limits_bytes()) / MIB


def _cgroup_limits_bytes() -> Iterator[float]:
    yield float("inf")
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            for pattern in _CGROUP_LIMITS:
                # A container sees its own group as the root.
                for path in (pattern.format(group=group), pattern.format(group="")):
                    with suppress(OSError, ValueError):  # no such file, or the word "max"
                        yield float(Path(path).read_text())


def _handle(device: str) -> Any | None:
    """Return NVML's handle of a CUDA device, which counts the visible GPUs only."""
    kind, _, number = device.partition(":")
    indices = visible_gpu_indices() if kind == "cuda" else ()
    position = int(number or 0)
    if position >= len(indices):
        return None
    return _known_nvml().nvmlDeviceGetHandleByIndex(indices[position])


def _known_nvml() -> Any:
    nvml = _nvml()
    assert nvml is not None
    return nvml


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


def process_vram_mib(pid: int, device: str = "cuda:0") -> float | None:
    """Return the memory that a process holds on a visible GPU, or None without one."""
    handle = _handle(device)
    if handle is None:
        return None
    processes = _known_nvml().nvmlDeviceGetComputeRunningProcesses(handle)
    held = {row.pid: row.usedGpuMemory for row in processes}
    return (held.get(pid) or 0) / MIB
