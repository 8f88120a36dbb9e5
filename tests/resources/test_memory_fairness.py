"""Four real processes on a simulated device of 1000 MiB, with jobs of 300 to 700 MiB."""

import multiprocessing
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from running_studio import eventually
from simulated_device import CAPACITY_MIB

from resources.devices import Terms
from resources.memory_readings import read_tenants
from resources.tenant import Tenant
from resources.vram_ledger import ROW_TTL_S
from resources.wish import Wish

pytestmark = pytest.mark.stack

PROCESSES = 4
SPAWN = multiprocessing.get_context("spawn")
# While one job stands in line each other process can begin the one that stood before it, and count
# one that was granted before; a place taken in the same millisecond is either's.
MOST_PASSED_BY = 2 * (PROCESSES - 1)


@dataclass
class Shared:
    """What the processes know of each other besides the ledger."""

    held_mib: Any
    most_held_mib: Any
    grants: Any
    most_passed_by: Any
    finished: Any

    @staticmethod
    def new() -> "Shared":
        return Shared(*(SPAWN.Value("d", 0.0) for _ in range(5)))


def tenant_of(url: str, name: str) -> Tenant:
    return Tenant("cpu", Terms(redis_url=url, capacity_mib=CAPACITY_MIB), name=name)


def run_jobs(url: str, name: str, seed: int, jobs: int, priorities: int, shared: Shared) -> None:
    """Lease, hold for a moment, give back; keep the books that the test looks at."""
    rng = random.Random(seed)
    tenant = tenant_of(url, name)
    for _ in range(jobs):
        mib = rng.randint(300, 700)
        stood_at: list[float] = []
        tenant.acquire(
            Wish(mib, priority=rng.randrange(priorities)),
            on_wait=lambda stood_at=stood_at: stood_at.append(shared.grants.value),
        )
        with shared.held_mib.get_lock():
            shared.grants.value += 1
            shared.held_mib.value += mib
            shared.most_held_mib.value = max(shared.most_held_mib.value, shared.held_mib.value)
            passed_by = shared.grants.value - 1 - stood_at[0] if stood_at else 0
            shared.most_passed_by.value = max(shared.most_passed_by.value, passed_by)
        time.sleep(rng.uniform(0, 0.01))
        with shared.held_mib.get_lock():
            shared.held_mib.value -= mib
            shared.finished.value += 1
        tenant.release()
    tenant.leave()


def contend(url: str, *, seed: int, jobs: int, priorities: int, timeout_s: float) -> Shared:
    shared = Shared.new()
    processes = [
        SPAWN.Process(
            target=run_jobs,
            args=(url, f"p{number}", seed * 10 + number, jobs, priorities, shared),
            daemon=True,
        )
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=timeout_s)
        assert process.exitcode == 0, f"finished {shared.finished.value} jobs: a deadlock?"
    return shared


@pytest.mark.parametrize("seed", [1])
def test_never_over_booked_no_deadlock_and_nobody_passed_by(ledger_url: str, seed: int) -> None:
    shared = contend(ledger_url, seed=seed, jobs=25, priorities=1, timeout_s=120)
    assert shared.finished.value == PROCESSES * 25
    assert 700 < shared.most_held_mib.value <= CAPACITY_MIB
    assert shared.most_passed_by.value <= MOST_PASSED_BY
    assert read_tenants(redis.Redis.from_url(ledger_url, decode_responses=True)) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("priorities", [1, 10])
def test_the_same_for_long(ledger_url: str, seed: int, priorities: int) -> None:
    shared = contend(ledger_url, seed=seed, jobs=400, priorities=priorities, timeout_s=600)
    assert shared.finished.value == PROCESSES * 400
    assert shared.most_held_mib.value <= CAPACITY_MIB
    print(f"passed by at most {shared.most_passed_by.value:.0f}")  # noqa: T201
    if priorities == 1:
        assert shared.most_passed_by.value <= MOST_PASSED_BY


def hold_for_ever(url: str, mib: float) -> None:
    tenant_of(url, "killed").acquire(Wish(mib))
    time.sleep(600)


def test_the_lease_of_a_killed_process_is_free_again(ledger_url: str) -> None:
    holder = SPAWN.Process(target=hold_for_ever, args=(ledger_url, 800), daemon=True)
    holder.start()
    client = redis.Redis.from_url(ledger_url, decode_responses=True)
    eventually(lambda: [one for one in read_tenants(client) if one.reserved_mib == 800])
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    survivor = tenant_of(ledger_url, "survivor")
    waited_s = survivor.acquire(Wish(900))
    survivor.leave()
    assert waited_s > ROW_TTL_S / 2
    holder.join()


class Interrupted(BaseException):
    """Stands for a cancel."""


def be_interrupted(url: str, seed: int, times: int, wrong: Any) -> None:
    """Lease and give back, hit by an interrupt at any instruction; count what is left behind."""
    rng = random.Random(seed)
    tenant = tenant_of(url, f"victim-{seed}")

    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGALRM, interrupt)
    for _ in range(times):
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0001, 0.02))
            try:
                tenant.acquire(Wish(rng.uniform(300, 700)))
                time.sleep(rng.uniform(0, 0.01))
            finally:
                tenant.release()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupted:
            # As the resource does when the run ends.
            if tenant.is_engaged:
                tenant.release()
        if tenant.is_engaged:
            wrong.value += 1
    tenant.leave()


def interrupted(url: str, times: int) -> None:
    wrong = SPAWN.Value("i", 0)
    victims = [
        SPAWN.Process(target=be_interrupted, args=(url, seed, times, wrong), daemon=True)
        for seed in range(2)
    ]
    for victim in victims:
        victim.start()
    for victim in victims:
        victim.join(timeout=240)
        assert victim.exitcode == 0
    assert wrong.value == 0
    after = tenant_of(url, "after")
    after.acquire(Wish(CAPACITY_MIB))
    after.leave()


def test_an_interrupt_at_any_moment_leaves_no_lease_behind(ledger_url: str) -> None:
    interrupted(ledger_url, 100)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_many_interrupts_leave_no_lease_behind(ledger_url: str) -> None:
    interrupted(ledger_url, 3000)
