"""The devices, on whatever machine the tests run."""

import os

import psutil
import pytest

from resources.devices import (
    CPU,
    MIB,
    Terms,
    chosen_device,
    chosen_indices,
    device_capacity_mib,
    device_kind,
    device_name,
    process_vram_mib,
    ram_mib,
    read_gpus,
    visible_gpu_indices,
)

without_gpu = pytest.mark.skipif(
    visible_gpu_indices() != (), reason="this machine has an NVIDIA GPU"
)


@without_gpu
def test_without_a_driver_it_is_the_cpu_and_no_figure_is_invented() -> None:
    assert chosen_device() == CPU
    assert visible_gpu_indices() == ()
    assert read_gpus() == ()
    assert process_vram_mib(os.getpid()) is None


def test_a_cpu_is_named_by_its_host() -> None:
    assert device_name(CPU) == f"cpu@{os.uname().nodename}"
    assert device_kind(CPU) == CPU


def test_of_the_ram_a_share_is_leased() -> None:
    assert 0 < ram_mib() <= psutil.virtual_memory().total / MIB
    assert device_capacity_mib(CPU, Terms(ram_percent=50)) == ram_mib() / 2
    assert device_capacity_mib(CPU, Terms(capacity_mib=1000)) == 1000


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
