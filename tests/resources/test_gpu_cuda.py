import os

import pytest
import torch

from resources.gpu import Gpu, process_vram_mib, read_gpus

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


def test_the_device_and_its_memory_are_seen() -> None:
    assert Gpu().device == "cuda:0"
    (first, *_) = read_gpus()
    assert first["totalMiB"] > 1000


def test_the_peak_of_a_block_is_what_its_tensors_held() -> None:
    with Gpu().use() as use:
        tensor = torch.zeros(64 << 20, dtype=torch.uint8, device=use.device)
        del tensor
    assert use.peak_vram_mib is not None
    assert 64 <= use.peak_vram_mib < 70


def test_the_driver_tells_what_this_process_holds() -> None:
    held = torch.zeros(256 << 20, dtype=torch.uint8, device="cuda:0")

    used_mib = process_vram_mib(os.getpid())
    assert used_mib is not None
    assert used_mib >= held.numel() / (1 << 20)
