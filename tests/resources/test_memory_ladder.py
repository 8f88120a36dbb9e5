"""What is tried when memory does not suffice, and in which order."""

import gc
import weakref

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from numpy.exceptions import AxisError

from resources.devices import CPU
from resources.memory_ladder import Attempt, Rung, is_out_of_memory, ladder
from studio_pipelines.errors import UnusableMedia


def test_on_a_gpu_it_is_evict_then_tiles_then_half_then_cpu() -> None:
    steps = ladder("cuda:0", (None, 1024, 512), half=True)
    assert [(step.name, step.relief, step.rung) for step in steps] == [
        ("first try", "nothing", Rung(None, "full", "cuda:0")),
        ("idle models evicted", "evict", Rung(None, "full", "cuda:0")),
        ("tiles of 1024", "nothing", Rung(1024, "full", "cuda:0")),
        ("tiles of 512", "nothing", Rung(512, "full", "cuda:0")),
        ("half precision", "evict", Rung(512, "half", "cuda:0")),
        ("CPU", "move", Rung(512, "full", CPU)),
    ]


def test_on_a_cpu_there_is_no_half_precision_and_no_way_on() -> None:
    names = [step.name for step in ladder(CPU, (2048, 512), half=True)]
    assert names == ["first try", "idle models evicted", "tiles of 512"]


def raised_by(work) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        work()
    return caught.value


def test_what_libraries_say_is_understood() -> None:
    said = [
        raised_by(lambda: np.empty(1 << 60, np.uint8)),
        raised_by(lambda: torch.empty(1 << 60, dtype=torch.uint8)),
        raised_by(lambda: cv2.resize(np.zeros((1, 1), np.uint8), (2_000_000_000, 900_000_000))),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException(
            "[ONNXRuntimeError] : 6 : bfc_arena.cc:376 AllocateRawInternal Failed to allocate "
            "memory for requested buffer of size 1073741824"
        ),
        MemoryError(),
    ]
    assert [error for error in said if not is_out_of_memory(error)] == []


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        AxisError("out of bounds"),
        UnusableMedia("It is empty."),
        KeyboardInterrupt("out of memory"),
    ],
)
def test_other_faults_pass(error: BaseException) -> None:
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)), Attempt(CPU):
        raise error


class Tensor:
    """Something large."""


def test_a_failed_try_lets_go_of_its_arrays() -> None:
    made: list[weakref.ref[Tensor]] = []

    def work() -> None:
        held = Tensor()
        made.append(weakref.ref(held))
        raise MemoryError("2 GiB")

    with Attempt(CPU) as attempt:
        work()
    gc.collect()
    assert attempt.failure == "MemoryError: 2 GiB"
    assert made[0]() is None
