"""The tenants of this process: one for each device that it has leased memory of."""

import os
from collections.abc import Iterator
from typing import Any

from resources.devices import Terms
from resources.tenant import Tenant

_tenants: dict[tuple[int, str, Terms], Tenant] = {}


def tenant_on(device: str, terms: Terms) -> Tenant:
    """Return this process's tenant of a device; a forked child gets one of its own."""
    key = (os.getpid(), device, terms)
    if key not in _tenants:
        _tenants[key] = Tenant(device, terms)
    return _tenants[key]


def loaded_models() -> list[dict[str, Any]]:
    """Return what this process keeps loaded, as :meth:`ModelCache.describe` tells it."""
    return [
        {**model, "device": tenant.device}
        for tenant in _own()
        for model in tenant.models.describe()
    ]


def release_leases() -> None:
    """End whatever lease or wait for one this process has."""
    for tenant in _own():
        if tenant.is_engaged:
            tenant.release()


def leave_all() -> None:
    """Take this process's rows out of the ledgers: it ends in good order, or begins anew."""
    for key in [key for key in _tenants if key[0] == os.getpid()]:
        _tenants.pop(key).leave()


def _own() -> Iterator[Tenant]:
    # A child that was forked has its parent's entries too.
    return (tenant for (pid, _, _), tenant in _tenants.items() if pid == os.getpid())
