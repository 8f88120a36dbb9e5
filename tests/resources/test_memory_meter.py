"""What a process holds, measured on this one."""

import numpy as np
import psutil
import pytest
import torch

from resources import memory_meter
from resources.devices import CPU, MIB

SIZE_MIB = 96


def touched(mib: int) -> np.ndarray:
    return np.ones(mib * MIB, dtype=np.uint8)


def test_the_peak_is_told_also_when_the_memory_is_free_again() -> None:
    mark = memory_meter.begin(CPU)
    held = touched(SIZE_MIB)
    del held
    used = memory_meter.used_since(mark)
    assert used.grown_mib == pytest.approx(SIZE_MIB, abs=8)
    assert used.rss_mib == pytest.approx(psutil.Process().memory_info().rss / MIB, abs=8)


def test_an_earlier_peak_does_not_count() -> None:
    held = touched(SIZE_MIB)
    del held
    mark = memory_meter.begin(CPU)
    assert memory_meter.used_since(mark).grown_mib < 8


def test_a_torch_module_is_counted_by_its_tensors_once_each() -> None:
    layer = torch.nn.Linear(1024, 1024, bias=False)
    tied = torch.nn.Sequential(layer, torch.nn.ReLU(), layer)
    tied.register_buffer("table", torch.zeros(1024, 256))
    assert memory_meter.size_mib(tied, CPU, 0.0) == 4 + 1


def test_anything_else_is_counted_by_what_the_process_grew() -> None:
    before_mib = memory_meter.held_mib(CPU)
    held = touched(SIZE_MIB)
    assert memory_meter.size_mib(held, CPU, before_mib) == pytest.approx(SIZE_MIB, abs=8)


def test_a_cpu_has_no_context() -> None:
    assert memory_meter.context_mib(CPU) == 0
