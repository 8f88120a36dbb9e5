"""The device, on whatever machine the tests run."""

import os

import psutil
import pytest

from resources.gpu import (
    MIB,
    Gpu,
    chosen_indices,
    process_vram_mib,
    read_gpus,
    visible_gpu_indices,
)


@pytest.mark.skipif(visible_gpu_indices() != (), reason="this machine has an NVIDIA GPU")
def test_without_a_driver_it_is_the_cpu_and_no_figure_is_invented() -> None:
    assert Gpu().device == "cpu"
    assert visible_gpu_indices() == ()
    assert read_gpus() == ()
    assert process_vram_mib(os.getpid()) is None
    with Gpu().use() as use:
        pass
    assert use.peak_vram_mib is None
    assert use.describe() == {"device": "cpu", "rssMiB": round(use.rss_mib, 1)}


def test_what_a_block_uses_is_told_also_when_it_fails() -> None:
    with pytest.raises(ValueError, match="stop"), Gpu(preference="cpu").use() as use:
        raise ValueError("stop")
    assert use.device == "cpu"
    assert use.rss_mib == pytest.approx(psutil.Process().memory_info().rss / MIB, rel=0.2)


@pytest.mark.parametrize(
    ("variable", "indices"),
    [
        (None, (0, 1, 2, 3)),
        ("", ()),
        ("1", (1,)),
        ("3, 0", (3, 0)),
        ("0,7,1", (0,)),
        ("-1", ()),
        ("0,-1,1", (0,)),
        ("GPU-two,1", (2, 1)),
        ("GPU-none,1", ()),
        ("NoDevFiles", ()),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(
    variable: str | None, indices: tuple[int, ...]
) -> None:
    assert chosen_indices(variable, 4, {"GPU-two": 2}.get) == indices


@pytest.mark.gpu
def test_with_a_gpu_its_memory_is_measured() -> None:
    import torch

    with Gpu().use() as use:
        held = torch.ones(64 << 20, dtype=torch.uint8, device="cuda")
    assert use.device == "cuda:0"
    assert use.peak_vram_mib is not None
    assert use.peak_vram_mib >= 64
    assert held.numel() == 64 << 20
    row = read_gpus()[0]
    assert 0 < row["usedMiB"] <= row["totalMiB"]
    vram_mib = process_vram_mib(os.getpid())
    assert vram_mib is not None
    assert vram_mib >= 64
