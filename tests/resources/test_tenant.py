"""A process that leases memory: waiting, being interrupted, evicting for others, coming back."""

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis
from running_studio import eventually
from simulated_device import CAPACITY_MIB, when_settled

from resources.devices import Terms
from resources.memory_readings import TenantReading, read_tenants
from resources.model_cache import ModelSource
from resources.tenant import Tenant
from resources.vram_ledger import BEAT_S
from resources.wish import LeaseHeld, Wish
from studio_pipelines.embedded_servers import embedded_broker
from studio_pipelines.supervisor import Supervisor

pytestmark = pytest.mark.stack

Make = Callable[..., Tenant]


class Interrupted(BaseException):
    """Stands for a cancel, which reaches a job as an exception of this kind."""


def model(name: str, mib: float, *, keep_warm: bool = False) -> ModelSource:
    """A model that says how large it is, and takes next to nothing."""
    return ModelSource(
        name, f"sha-{name}", lambda *_: Weights(mib), guess_mib=mib, keep_warm=keep_warm
    )


class Weights:
    """Counts like a torch module of so many MiB."""

    def __init__(self, mib: float) -> None:
        self.mib = mib

    def parameters(self) -> list["Weights"]:
        return [self]

    def numel(self) -> int:
        return round(self.mib * 2**20)

    def element_size(self) -> int:
        return 1


def use(tenant: Tenant, source: ModelSource, working_mib: float = 100) -> bool:
    """Run a job with a model; return whether it had to be loaded."""
    tenant.acquire(Wish(working_mib, {source.key(): source.guess_mib}))
    _, loaded_mib = tenant.borrow(source, "full")
    tenant.release()
    return loaded_mib is not None


def readings(url: str) -> dict[str, TenantReading]:
    client = redis.Redis.from_url(url, decode_responses=True)
    return {one.tenant: one for one in read_tenants(client)}


def names(tenant: Tenant) -> list[str]:
    return [one["name"] for one in tenant.models.describe()]


def test_a_lease_waits_for_the_other_and_begins_when_that_ends(tenant: Make) -> None:
    first, second = tenant("first"), tenant("second")
    first.acquire(Wish(700))
    told: list[str] = []
    began = threading.Event()

    def work() -> None:
        second.acquire(Wish(600), on_wait=lambda: told.append("waits"))
        began.set()

    thread = threading.Thread(target=work)
    thread.start()
    eventually(lambda: told)
    assert not began.wait(0.5)
    first.release()
    assert began.wait(10)
    thread.join()
    assert told == ["waits"]


def test_one_process_has_one_lease_at_a_time(tenant: Make) -> None:
    first = tenant("first")
    first.acquire(Wish(10))
    with pytest.raises(LeaseHeld):
        first.acquire(Wish(10))
    first.release()
    first.acquire(Wish(10))


def test_the_row_is_told_while_nothing_happens(tenant: Make, ledger_url: str) -> None:
    tenant("first").acquire(Wish(300))
    client = redis.Redis.from_url(ledger_url)
    client.flushdb()  # as a broker does that lost its data
    eventually(lambda: "first" in readings(ledger_url))
    assert readings(ledger_url)["first"].reserved_mib == 300


def test_an_interrupted_wait_leaves_nothing_behind(tenant: Make, ledger_url: str) -> None:
    first, second, third = tenant("first"), tenant("second"), tenant("third")
    first.acquire(Wish(700))

    def interrupt(_number: int, _frame: object) -> None:
        raise Interrupted

    kept = signal.signal(signal.SIGUSR1, interrupt)
    try:
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        with pytest.raises(Interrupted):
            second.acquire(Wish(700))
    finally:
        signal.signal(signal.SIGUSR1, kept)
    assert not second.is_engaged
    assert readings(ledger_url)["second"].phase == "idle"
    third.acquire(Wish(300))


def test_the_same_model_is_loaded_once_and_a_third_evicts_the_oldest(tenant: Make) -> None:
    one = tenant("one")
    a, b, c = (model(name, 350) for name in "abc")
    assert use(one, a) is True
    assert use(one, a) is False
    assert use(one, b) is True
    assert use(one, a) is False
    assert names(one) == ["a", "b"]
    assert use(one, c) is True
    assert names(one) == ["a", "c"]


def test_what_a_model_takes_passes_from_the_lease_to_the_process(
    tenant: Make, ledger_url: str
) -> None:
    one, source = tenant("one"), model("a", 300)
    one.acquire(Wish(200, {source.key(): 300}))
    assert readings(ledger_url)["one"].reserved_mib == 500
    one.borrow(source, "full")
    eventually(lambda: readings(ledger_url)["one"].resident_mib == 300)
    assert readings(ledger_url)["one"].reserved_mib == 200
    one.release()
    assert readings(ledger_url)["one"].reserved_mib == 0
    (told,) = readings(ledger_url)["one"].models
    assert (told["name"], told["MiB"], told["inUse"]) == ("a", 300, False)


def test_an_idle_peer_is_asked_to_evict_and_does(tenant: Make) -> None:
    idle, busy = tenant("idle"), tenant("busy")
    use(idle, model("cool", 400))
    use(idle, model("warm", 400, keep_warm=True))
    busy.acquire(Wish(500))
    assert names(idle) == ["warm"]
    busy.release()
    busy.acquire(Wish(1000))
    assert names(idle) == []


def test_two_that_wait_with_models_loaded_do_not_wait_for_each_other(tenant: Make) -> None:
    left, right = tenant("left"), tenant("right")
    a, b = model("a", 450), model("b", 450)
    use(left, a)
    use(right, b)
    done: list[str] = []

    def work(one: Tenant, source: ModelSource) -> None:
        use(one, source, working_mib=500)
        done.append(source.name)

    threads = [threading.Thread(target=work, args=pair) for pair in ((left, a), (right, b))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(done) == ["a", "b"]


def test_a_model_in_use_is_not_evicted(tenant: Make) -> None:
    one, source = tenant("one"), model("a", 300)
    one.acquire(Wish(100, {source.key(): 300}))
    one.borrow(source, "full")
    one.evict_idle()
    assert names(one) == ["a"]
    one.release()
    one.evict_idle()
    assert names(one) == []


def test_a_model_unused_for_too_long_goes_and_a_warm_one_stays(tenant: Make) -> None:
    one = tenant("one", model_idle_s=0)
    use(one, model("warm", 10, keep_warm=True))
    use(one, dataclasses.replace(model("kept", 10), idle_s=3600))
    use(one, model("short", 10))
    eventually(lambda: names(one) == ["warm", "kept"])


def test_a_lease_of_everything_evicts_everywhere(tenant: Make) -> None:
    one, other = tenant("one"), tenant("other")
    use(other, model("a", 200))
    one.acquire(Wish(10))
    one.evict_idle()
    eventually(lambda: names(other) == [], timeout_s=3 * BEAT_S)


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A server that a test may kill; it is started again."""
    supervisor = Supervisor(tmp_path)
    server = embedded_broker(tmp_path)
    supervisor.start([server.process])
    supervisor.wait_ready()
    when_settled(server.url)
    yield server.url, psutil.Process(supervisor.status()[0].pid)
    supervisor.stop()


def test_a_killed_broker_costs_no_lease_and_no_place_in_the_line(
    own_broker: tuple[str, psutil.Process],
) -> None:
    url, server = own_broker
    terms = Terms(redis_url=url, capacity_mib=CAPACITY_MIB)
    first, second = (Tenant("cpu", terms, name=name) for name in ("first", "second"))
    first.acquire(Wish(700))
    began = threading.Event()

    def work() -> None:
        second.acquire(Wish(600))
        began.set()

    threading.Thread(target=work, daemon=True).start()
    eventually(lambda: "second" in readings(url))
    redis.Redis.from_url(url).flushdb()  # so that the tenants alone can know
    server.kill()

    def both_are_back() -> bool:
        try:
            told = readings(url)
        except redis.RedisError:
            return False
        return told.keys() == {"first", "second"}

    eventually(both_are_back, timeout_s=60)
    assert readings(url)["first"].reserved_mib == 700
    assert not began.wait(2)
    first.release()
    assert began.wait(20)
    for one in (first, second):
        one.leave()
    assert readings(url) == {}


def test_while_the_broker_is_away_a_lease_is_waited_for(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    server = embedded_broker(tmp_path)
    one = Tenant("cpu", Terms(redis_url=server.url, capacity_mib=CAPACITY_MIB), name="one")
    waits = threading.Event()
    began = threading.Event()

    def work() -> None:
        one.acquire(Wish(100), on_wait=waits.set)
        began.set()

    threading.Thread(target=work, daemon=True).start()
    assert waits.wait(10)
    supervisor.start([server.process])
    supervisor.wait_ready()
    assert began.wait(20)
    one.leave()
    supervisor.stop()


def test_without_a_server_every_lease_is_granted_at_once() -> None:
    alone = Tenant("cpu", Terms(capacity_mib=CAPACITY_MIB))
    alone.acquire(Wish(5000))
    alone.release()
    assert not alone.is_engaged
