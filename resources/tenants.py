"""The tenants of this process: one for each device that it has leased memory of."""

import os

from resources.devices import Terms
from resources.tenant import Tenant

_tenants: dict[tuple[int, str, Terms], Tenant] = {}


def tenant_on(device: str, terms: Terms) -> Tenant:
    """Return this process's tenant of a device; a forked child gets one of its own."""
    key = (os.getpid(), device, terms)
    if key not in _tenants:
        _tenants[key] = Tenant(device, terms)
    return _tenants[key]


def release_leases() -> None:
    """End whatever lease or wait for one this process has."""
    for (pid, _, _), tenant in _tenants.items():
        if pid == os.getpid() and tenant.is_engaged:
            tenant.release()
