"""Leases on a real GPU, held against torch's counts and the driver's."""

import multiprocessing
import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from resources import memory_meter
from resources.devices import (
    MIB,
    Terms,
    chosen_device,
    device_capacity_mib,
    device_name,
    read_gpus,
)
from resources.gpu import Gpu
from resources.memory_ladder import Rung
from resources.model_cache import ModelSource, Precision
from resources.tenants import leave_all, loaded_models

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

DEVICE = "cuda:0"
WEIGHTS_MIB = 256
# What the driver counts beside torch: other processes come and go.
DRIVER_SLACK_MIB = 64


def load_network(device: str, precision: Precision) -> torch.nn.Module:
    dtype = torch.float16 if precision == "half" else torch.float32
    return torch.nn.Linear(8192, 8192, bias=False).to(device=device, dtype=dtype)


def source(name: str) -> ModelSource:
    return ModelSource(name, f"sha-{name}", load_network, guess_mib=WEIGHTS_MIB)


def allocated_mib() -> float:
    return torch.cuda.memory_allocated(DEVICE) / MIB


@pytest.fixture
def gpu(ledger_url: str) -> Iterator[Gpu]:
    yield Gpu(redis_url=ledger_url)
    leave_all()


def test_the_device_is_seen_and_named() -> None:
    assert chosen_device() == DEVICE
    assert device_name(DEVICE).startswith("GPU-")
    (first, *_) = read_gpus()
    terms = Terms(vram_reserve_mib=1024)
    assert device_capacity_mib(DEVICE, terms) == pytest.approx(first["totalMiB"] - 1024, abs=1)


def test_after_a_lease_only_the_models_are_left(gpu: Gpu) -> None:
    network = source("network")
    with gpu.lease("work", "1 s", guess_mib=600, models=(network,)) as lease:
        weights = lease.model(network)
        resident_mib = allocated_mib()
        assert resident_mib == pytest.approx(WEIGHTS_MIB, abs=1)
        scratch = torch.zeros(512 * MIB, dtype=torch.uint8, device=lease.device)
        driver_mib = read_gpus()[0]["usedMiB"]
        del scratch
    assert lease.describe()["peakVramMiB"] >= 512 + WEIGHTS_MIB
    assert allocated_mib() == resident_mib
    assert torch.cuda.memory_reserved(DEVICE) / MIB == pytest.approx(WEIGHTS_MIB, abs=32)
    assert driver_mib - read_gpus()[0]["usedMiB"] >= 512 - DRIVER_SLACK_MIB
    del weights
    (told,) = loaded_models()
    assert told["MiB"] == WEIGHTS_MIB
    leave_all()
    assert allocated_mib() == 0


def test_a_third_model_evicts_the_oldest(ledger_url: str) -> None:
    room_mib = round(memory_meter.context_mib(DEVICE)) + 2 * WEIGHTS_MIB + 150
    gpu = Gpu(redis_url=ledger_url, capacity_mib=room_mib)
    for name in ("a", "b", "a", "c", "c"):
        network = source(name)
        with gpu.lease(f"work-{name}", "1 s", guess_mib=64, models=(network,)) as lease:
            lease.model(network)(torch.zeros(1, 8192, device=lease.device))
    kept = [told["name"] for told in loaded_models()]
    leave_all()
    assert kept == ["a", "c"]


def test_the_ladder_frees_what_a_failed_try_held(gpu: Gpu) -> None:
    tried: list[Rung] = []

    def work(rung: Rung) -> int:
        tried.append(rung)
        mib = read_gpus()[0]["totalMiB"] * 2 if rung.tile is None else rung.tile
        part = torch.zeros(64 * MIB, dtype=torch.uint8, device=rung.device)
        whole = torch.empty(round(mib) * MIB, dtype=torch.uint8, device=rung.device)
        return part.numel() + whole.numel()

    with gpu.lease("work", "2 s", guess_mib=200) as lease:
        assert lease.on_ladder(work, tiles=(None, 128)) == (64 + 128) * MIB
        assert allocated_mib() == 0
    assert [rung.tile for rung in tried] == [None, None, 128]
    assert lease.describe()["oomSteps"] == ["idle models evicted", "tiles of 128"]


def hold_most(url: str, jobs: int, over_booked: Any, capacity_mib: int) -> None:
    """Fill what was leased, again and again, and look at what the driver says meanwhile."""
    gpu = Gpu(redis_url=url, capacity_mib=capacity_mib)
    mib = round(capacity_mib * 0.6)
    for _ in range(jobs):
        with gpu.lease(f"fill-{os.getpid()}", "1 s", guess_mib=mib) as lease:
            held = torch.zeros(mib * MIB, dtype=torch.uint8, device=lease.device)
            torch.cuda.synchronize()
            with over_booked.get_lock():
                over_booked.value = max(over_booked.value, read_gpus()[0]["usedMiB"])
            del held
    leave_all()


def test_processes_take_turns_and_the_driver_agrees(ledger_url: str) -> None:
    """Each takes six tenths of what may be leased: two at once would be over it."""
    spawn = multiprocessing.get_context("spawn")
    capacity_mib = 4000
    most_used_mib = spawn.Value("d", 0.0)
    before_mib = read_gpus()[0]["usedMiB"]
    processes = [
        spawn.Process(
            target=hold_most, args=(ledger_url, 5, most_used_mib, capacity_mib), daemon=True
        )
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=180)
        assert process.exitcode == 0
    contexts_mib = 3 * 700
    assert most_used_mib.value - before_mib <= capacity_mib * 0.6 + contexts_mib
