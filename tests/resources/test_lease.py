"""The whole of a lease, as an op has it: its device, its models, its ladder, its figures."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import numpy as np
import pytest
import redis
import torch
from running_studio import eventually

from resources.devices import CPU, MIB
from resources.forecast import MARGIN, size_class
from resources.gpu import Gpu
from resources.memory_ladder import OutOfMemory, Rung
from resources.model_cache import ModelSource, Precision
from resources.run_tags import PRIORITY_TAG
from resources.tenants import leave_all, loaded_models, release_leases, tenant_on
from studio_pipelines.memory_release import release_memory

pytestmark = pytest.mark.stack

WORK = "depth"
SIZE = size_class(24.2, "megapixels")


def load_network(device: str, precision: Precision) -> torch.nn.Module:
    dtype = torch.float16 if precision == "half" else torch.float32
    return torch.nn.Linear(1024, 1024, bias=False).to(device=device, dtype=dtype)


NETWORK = ModelSource("small-network", "0123", load_network, guess_mib=5)


@pytest.fixture
def gpu(ledger_url: str) -> Iterator[Gpu]:
    release_memory()  # as a worker does after a run: what is freed meanwhile hides what is taken
    yield Gpu(preference=CPU, redis_url=ledger_url, capacity_mib=1000)
    leave_all()


@pytest.fixture
def metrics(ledger_url: str) -> Callable[[], dict[str, str]]:
    client = redis.Redis.from_url(ledger_url, decode_responses=True)
    return lambda: client.hgetall("studio:metrics")  # type: ignore[return-value]


def test_a_lease_measures_what_the_work_used(gpu: Gpu) -> None:
    with gpu.lease(WORK, SIZE, guess_mib=50) as lease:
        held = np.ones(96 * MIB, np.uint8)
        del held
    told = lease.describe()
    assert told["device"] == CPU
    assert told["peakRamMiB"] == pytest.approx(96, abs=8)
    assert told["rssMiB"] > 50
    assert told["oomSteps"] == []
    assert told["waitedMs"] >= 0
    assert "peakVramMiB" not in told


def test_the_next_lease_is_as_large_as_the_last_peak(gpu: Gpu, ledger_url: str) -> None:
    with gpu.lease(WORK, SIZE, guess_mib=400):
        held = np.ones(96 * MIB, np.uint8)
        del held
    client = redis.Redis.from_url(ledger_url, decode_responses=True)
    eventually(lambda: client.hgetall("studio:memory:peaks"))
    with gpu.lease(WORK, SIZE, guess_mib=400) as lease:
        granted_mib = lease._tenant._granted_mib
    assert granted_mib == pytest.approx(MARGIN * 96, abs=10)


def test_a_model_is_loaded_once_and_counted(gpu: Gpu, metrics: Callable[[], Any]) -> None:
    for _ in range(2):
        with gpu.lease(WORK, SIZE, guess_mib=20, models=(NETWORK,)) as lease:
            network = lease.model(NETWORK)
            assert network(torch.zeros(1, 1024)).shape == (1, 1024)
    (told,) = loaded_models()
    assert (told["name"], told["MiB"], told["hits"], told["device"]) == ("small-network", 4, 1, CPU)
    eventually(lambda: "studio_model_cache_hits_total|device=cpu|model=small-network" in metrics())
    assert metrics()["studio_model_loads_total|device=cpu|model=small-network"] == "1"
    waits = [name for name in metrics() if name.startswith("studio_lease_wait_seconds|")]
    assert all("device=cpu" in name and "work=depth" in name for name in waits)
    assert waits


def test_a_model_that_no_room_was_leased_for_is_refused(gpu: Gpu) -> None:
    with gpu.lease(WORK, SIZE, guess_mib=20) as lease, pytest.raises(ValueError, match="not name"):
        lease.model(NETWORK)


def test_the_ladder_goes_on_until_it_fits_and_tells_its_steps(
    gpu: Gpu, caplog: pytest.LogCaptureFixture, metrics: Callable[[], Any]
) -> None:
    tried: list[Rung] = []

    def work(rung: Rung) -> str:
        tried.append(rung)
        if rung.tile is None or rung.tile > 512:
            raise RuntimeError("CUDA error: out of memory")
        return f"in tiles of {rung.tile}"

    with caplog.at_level(logging.WARNING), gpu.lease(WORK, SIZE, guess_mib=20) as lease:
        done = lease.on_ladder(work, tiles=(None, 1024, 512, 256), half=True)
    assert done == "in tiles of 512"
    assert [rung.tile for rung in tried] == [None, None, 1024, 512]
    steps = ["idle models evicted", "tiles of 1024", "tiles of 512"]
    assert lease.describe()["oomSteps"] == steps
    assert [step for step in steps if step not in caplog.text] == []
    counted = "studio_oom_steps_total|device=cpu|step=tiles of 512|work=depth"
    eventually(lambda: counted in metrics())


def test_the_ladder_ends_in_words(gpu: Gpu) -> None:
    def work(_rung: Rung) -> None:
        np.empty(1 << 60, np.uint8)

    with pytest.raises(OutOfMemory) as caught, gpu.lease(WORK, SIZE, guess_mib=20) as lease:
        lease.on_ladder(work, tiles=(None, 256))
    error = caught.value
    assert (error.status, error.code) == (507, "out_of_memory")
    assert "1000 MiB" in error.message
    assert "idle models evicted, tiles of 256" in error.message
    assert not lease._tenant.is_engaged


def test_out_of_memory_beside_the_ladder_has_the_same_words(gpu: Gpu) -> None:
    with pytest.raises(OutOfMemory), gpu.lease(WORK, SIZE, guess_mib=20):
        np.empty(1 << 60, np.uint8)


def test_another_fault_passes_and_ends_the_lease(gpu: Gpu) -> None:
    with pytest.raises(KeyError), gpu.lease(WORK, SIZE, guess_mib=20) as lease:
        raise KeyError("x")
    assert not lease._tenant.is_engaged
    assert lease.describe()["rssMiB"] > 0


def test_from_a_gpu_the_work_moves_to_the_cpu(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of another name stands for the GPU: the ladder only looks at names."""
    monkeypatch.setattr("resources.lease.ladder", ladder_from_elsewhere)
    tried: list[str] = []

    def work(rung: Rung) -> str:
        tried.append(rung.device)
        if rung.device != CPU:
            raise MemoryError
        return lease.device

    with gpu.lease(WORK, SIZE, guess_mib=20) as lease:
        assert lease.on_ladder(work) == CPU
        assert lease._tenant.is_engaged
    assert tried == ["elsewhere", "elsewhere", CPU]
    assert lease.describe()["oomSteps"] == ["idle models evicted", "CPU"]
    assert not lease._tenant.is_engaged


def ladder_from_elsewhere(_device: str, tiles: Any, *, half: bool) -> Any:
    from resources.memory_ladder import ladder

    return ladder("elsewhere", tiles, half=half)


def test_a_lease_left_behind_ends_with_the_run(gpu: Gpu) -> None:
    lease = gpu.lease(WORK, SIZE, guess_mib=20)
    lease.__enter__()
    assert lease._tenant.is_engaged
    release_leases()
    assert not lease._tenant.is_engaged


def test_priority_and_log_are_the_runs(ledger_url: str) -> None:
    seen: dict[str, Any] = {}

    @dg.op
    def look(gpu: Gpu) -> None:
        seen["priority"], seen["log"] = gpu._priority, gpu._log

    @dg.job(resource_defs={"gpu": Gpu(preference=CPU, redis_url=ledger_url)})
    def looking() -> None:
        look()

    assert looking.execute_in_process(tags={PRIORITY_TAG: "8"}).success
    leave_all()
    assert seen["priority"] == 8
    assert isinstance(seen["log"], dg.DagsterLogManager)


def test_each_device_of_a_process_is_one_tenant(gpu: Gpu) -> None:
    one = gpu.lease(WORK, SIZE, guess_mib=0)
    other = gpu.lease("other", SIZE, guess_mib=0)
    assert one._tenant is other._tenant is tenant_on(CPU, one._terms)
