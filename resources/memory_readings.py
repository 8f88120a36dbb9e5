"""What the ledgers of all devices tell: who holds how much, with which models loaded."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import redis

from resources.devices import CPU
from resources.vram_ledger import DEVICES_KEY, ROW_TTL_S, Phase, ledger_key, tenant_name


@dataclasses.dataclass(frozen=True)
class TenantReading:
    """What is known of one process on one device.

    Attributes:
        device: The device's name: a GPU's UUID, or ``cpu@host``.
        tenant: ``host:pid``.
        phase: ``idle``, ``waiting`` or ``working``.
        resident_mib: What it keeps loaded.
        reserved_mib: The lease in hand, 0 without one.
        wants_mib: The lease that it waits for, 0 without one.
        models: Its loaded models, as :meth:`ModelCache.describe` tells them.
    """

    device: str
    tenant: str
    phase: Phase
    resident_mib: float
    reserved_mib: float
    wants_mib: float
    models: tuple[Mapping[str, Any], ...]

    @property
    def on_cpu(self) -> bool:
        """Whether it is RAM that is held."""
        return self.device.startswith(f"{CPU}@")


def read_tenants(client: redis.Redis) -> list[TenantReading]:
    """Return what is known of every process that keeps a row of late, on all devices."""
    devices: set[str] = client.smembers(DEVICES_KEY)  # pyright: ignore[reportAssignmentType]
    ordered = sorted(devices)
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    for device in ordered:
        pipeline.hgetall(ledger_key(device, "rows"))
        pipeline.hgetall(ledger_key(device, "models"))
    (seconds, _), *told = pipeline.execute()
    return [
        _reading(device, tenant, row, models.get(tenant, "[]"))
        for device, rows, models in zip(ordered, told[::2], told[1::2], strict=True)
        for tenant, row in ((tenant, json.loads(text)) for tenant, text in rows.items())
        if seconds - row["seenMs"] / 1000 <= ROW_TTL_S
    ]


def of_process(readings: list[TenantReading], host: str, pid: int) -> list[TenantReading]:
    """Return the readings of one process: one for each device that it has used."""
    return [one for one in readings if one.tenant == tenant_name(host, pid)]


def _reading(device: str, tenant: str, row: Mapping[str, Any], models: str) -> TenantReading:
    return TenantReading(
        device=device,
        tenant=tenant,
        phase=row["phase"],
        resident_mib=row["residentMiB"],
        reserved_mib=row["workingMiB"],
        wants_mib=row["wantsMiB"],
        models=tuple(json.loads(models)),
    )
