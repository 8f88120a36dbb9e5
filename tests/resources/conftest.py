"""A ledger of its own for each test, and processes that keep it."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from simulated_device import CAPACITY_MIB, Speaker, when_settled

from resources.devices import Terms
from resources.tenant import Tenant
from resources.vram_ledger import Ledger


@pytest.fixture
def ledger_url(broker_url: str) -> str:
    """An empty database of a server that grants leases."""
    url = f"{broker_url.rpartition('/')[0]}/7"
    redis.Redis.from_url(url).flushdb()
    when_settled(url)
    return url


@pytest.fixture
def speaker(ledger_url: str) -> Callable[[str], Speaker]:
    """Makes processes of one simulated device."""

    def make(name: str) -> Speaker:
        ledger = Ledger(ledger_url, device="simulated", tenant=name, capacity_mib=CAPACITY_MIB)
        return Speaker(name, ledger)

    return make


@pytest.fixture
def tenant(ledger_url: str) -> Iterator[Callable[..., Tenant]]:
    """Makes tenants of one device with 1000 MiB, and has them leave in the end."""
    made: list[Tenant] = []

    def make(name: str, **terms: Any) -> Tenant:
        agreed = Terms(redis_url=ledger_url, capacity_mib=CAPACITY_MIB)
        made.append(Tenant("cpu", dataclasses.replace(agreed, **terms), name=name))
        return made[-1]

    yield make
    for one in made:
        one.leave()
