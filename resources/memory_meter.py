"""What a process holds of a device's memory, now and at the highest.

A GPU's figures are torch's, and the driver's where libraries beside torch allocate too. RAM is
read from ``/proc/self/status``: ``VmRSS``, and ``VmHWM``, its highest value since it was last reset
through ``/proc/self/clear_refs`` (proc(5)).
"""

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from resources.devices import CPU, MIB, process_vram_mib

_KIB_PER_MIB = 1024
_RESET_PEAK = "5"


@dataclass(frozen=True)
class Mark:
    """What was held when a stretch of work began, in MiB.

    Attributes:
        device: Where the work is done.
        held_mib: What was held at the beginning.
        peak_mib: The highest value before, where it could not be reset.
        driver_mib: What the driver told of a GPU, or 0.
    """

    device: str
    held_mib: float
    peak_mib: float
    driver_mib: float = 0.0


@dataclass(frozen=True)
class Use:
    """What a stretch of work used.

    Attributes:
        grown_mib: By how much the use of the device rose, at its highest.
        rss_mib: Resident memory of the process at the end.
    """

    grown_mib: float
    rss_mib: float


def begin(device: str) -> Mark:
    """Begin to look for the highest use of a device."""
    if device != CPU:
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        held_mib = torch.cuda.memory_allocated(device) / MIB
        return Mark(device, held_mib, held_mib, _driver_mib(device))
    # Where it cannot be reset, only a new record tells how high the work went.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    return Mark(device, *_ram_mib())


def used_since(mark: Mark) -> Use:
    """Return what was used since the mark."""
    rss_mib, peak_mib = _ram_mib()
    if mark.device != CPU:
        import torch

        allocated_mib = torch.cuda.max_memory_allocated(mark.device) / MIB - mark.held_mib
        grown_mib = max(0.0, allocated_mib, _driver_mib(mark.device) - mark.driver_mib)
        return Use(grown_mib, rss_mib)
    highest_mib = peak_mib if peak_mib > mark.peak_mib else rss_mib
    return Use(max(0.0, highest_mib - mark.held_mib), rss_mib)


def held_mib(device: str) -> float:
    """Return what this process holds: tensors on a GPU, resident memory on a CPU."""
    if device != CPU:
        import torch

        return torch.cuda.memory_allocated(device) / MIB
    return rss_mib()


def rss_mib() -> float:
    """Return the resident memory of this process."""
    return _ram_mib()[0]


def size_mib(model: Any, device: str, before_mib: float) -> float:
    """Return what a model takes that has just been loaded.

    Args:
        model: A torch module is counted by its tensors; anything else by what the process grew.
        device: Where it was loaded.
        before_mib: What the process held there before.
    """
    tensors: list[Any] = []
    for name in ("parameters", "buffers"):
        listed: Callable[[], Any] | None = getattr(model, name, None)
        if callable(listed):
            tensors += list(listed())
    # Tensors that are tied are the same object, and stored once.
    unique = {id(tensor): tensor for tensor in tensors}
    counted = sum(one.numel() * one.element_size() for one in unique.values())
    return counted / MIB if counted else max(0.0, held_mib(device) - before_mib)


def return_unused(device: str) -> None:
    """Give memory that nothing refers to back to the device, for other processes to use."""
    gc.collect()
    torch = sys.modules.get("torch")
    if device != CPU and torch is not None:
        torch.cuda.empty_cache()
    elif device == CPU:
        trim = _malloc_trim()
        if trim is not None:
            trim(0)


@cache
def context_mib(device: str) -> float:
    """Return what a GPU holds for this process before any tensor: its context and its kernels.

    Asked before the first model is loaded, and 0 on a CPU, or where the driver cannot see the
    process because it lives in a container.
    """
    if device == CPU:
        return 0.0
    import torch

    torch.cuda.init()
    torch.zeros(1, device=device)
    return max(0.0, _driver_mib(device) - torch.cuda.memory_reserved(device) / MIB)


def _driver_mib(device: str) -> float:
    return process_vram_mib(os.getpid(), device) or 0.0


def _ram_mib() -> tuple[float, float]:
    """Return the resident memory of this process now, and its highest value."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux: the highest value is not known
        rss_mib = psutil.Process().memory_info().rss / MIB
        return rss_mib, rss_mib
    figures = dict(line.split(":", 1) for line in status.splitlines() if line.startswith("Vm"))
    rss, peak = (int(figures[name].split()[0]) / _KIB_PER_MIB for name in ("VmRSS", "VmHWM"))
    return rss, peak


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    """Return glibc's call that gives free heap back to the kernel, where there is one."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
