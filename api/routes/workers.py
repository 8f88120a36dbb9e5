"""``GET /api/workers/status``: the eleven workers, as their heartbeats tell."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from api.callers import Caller, CallerDep
from api.errors import JobNotFound
from api.state import Services, ServicesDep
from resources.devices import CPU
from resources.memory_readings import TenantReading, of_process
from resources.run_tags import job_id_of
from resources.signals import WorkerBeat
from studio_pipelines.catalogue import Worker, operation_of, workers
from studio_pipelines.database_faults import DatabaseUnavailable
from studio_pipelines.operation import Operation

router = APIRouter(prefix="/api/workers", tags=["service"])
UNHEALTHY_AFTER_S = 3.0


@router.get("/status")
async def workers_status(services: ServicesDep, caller: CallerDep) -> dict[str, Any]:
    """Return the state, memory and queue of every worker, fresh within two seconds."""
    beats = await asyncio.to_thread(services.workforce.beats)
    tenants = await asyncio.to_thread(services.workforce.memory_tenants)
    built = [one.name for worker in workers() if (one := operation_of(worker))]
    depths = await asyncio.to_thread(services.workforce.queue_depths, built)
    shelf = services.models
    declared = await asyncio.to_thread(lambda: {one.id: shelf.rows(one.id) for one in workers()})
    now_s = datetime.now(UTC).timestamp()
    rows = [_row(worker, beats, tenants, depths, now_s) for worker in workers()]
    for row in rows:
        row["models"] = models_of(row["id"], declared, row["models"])
        row["currentJob"] = await _seen(services, caller, row["currentJob"])
    gpus = {
        f"{beat.host}:{gpu['index']}": {**gpu, "host": beat.host}
        for beat in beats
        for gpu in beat.gpus
    }
    return {
        "success": True,
        "workers": rows,
        "gpus": list(gpus.values()),
        "observedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


async def _seen(services: Services, caller: Caller, job_id: str | None) -> str | None:
    """Return a job's id to whom it is there for."""
    if job_id is None or caller.is_admin:
        return job_id
    try:
        return job_id if caller.sees(await services.jobs.owner(job_id)) else None
    except (JobNotFound, DatabaseUnavailable):  # forgotten a moment ago, or not to be known now
        return None


def _row(
    worker: Worker,
    beats: list[WorkerBeat],
    tenants: list[TenantReading],
    depths: dict[str, int],
    now_s: float,
) -> dict[str, Any]:
    operation = operation_of(worker)
    beat = speaker_of(operation, beats) if operation else None
    row: dict[str, Any] = {"id": worker.id, "route": f"/api{worker.route}"}
    if operation is None or beat is None:
        return row | _offline(operation, depths)
    age_s = max(0.0, now_s - beat.beat_at_s)
    status = _status(beat, operation.name, age_s)
    own = of_process(tenants, beat.host, beat.pid)
    runs_here = status == "busy" and beat.run_id
    return row | {
        "status": status,
        "ready": status in ("ready", "busy"),
        "built": True,
        "lane": beat.lane,
        "processes": sum(one.lane == beat.lane for one in beats),
        "vram": _vram(beat, own if runs_here else []),
        "rssMiB": beat.rss_mib,
        "ramReservedMiB": _reserved_mib(own if runs_here else [], on_cpu=True),
        "models": [model for one in own for model in one.models],
        "currentJob": job_id_of(beat.run_id) if runs_here and beat.run_id else None,
        "queueDepth": depths[operation.name],
        "heartbeatAgeMs": round(age_s * 1000),
        "host": beat.host,
        "pid": beat.pid,
    }


def models_of(
    worker: str,
    declared: Mapping[str, list[dict[str, Any]]],
    loaded: Iterable[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return the models of a worker: those declared for it, and what else its process has loaded.

    A process holds the models of its lane's other workers too; they are in the rows of those.
    """
    own = {row["name"]: row for row in declared[worker]}
    others = {row["name"] for rows in declared.values() for row in rows} - own.keys()
    held = {row["name"]: row for row in loaded if row["name"] not in others}
    return [{**own.get(name, {}), **held.get(name, {})} for name in (own | held)]


def _offline(operation: Operation | None, depths: dict[str, int]) -> dict[str, Any]:
    nothing = ("vram", "rssMiB", "ramReservedMiB", "currentJob", "heartbeatAgeMs", "host", "pid")
    return {
        "status": "offline",
        "ready": False,
        "built": operation is not None,
        "lane": operation.lane if operation else None,
        "processes": 0,
        "models": [],
        "queueDepth": depths.get(operation.name, 0) if operation else 0,
        **dict.fromkeys(nothing),
    }


def speaker_of(operation: Operation, beats: list[WorkerBeat]) -> WorkerBeat | None:
    """Return the beat that speaks for an operation: the one that runs it, else the freshest."""
    of_lane = [beat for beat in beats if beat.lane == operation.lane]
    return max(
        of_lane, key=lambda beat: (in_hand(beat) == operation.name, beat.beat_at_s), default=None
    )


def in_hand(beat: WorkerBeat) -> str | None:
    """Return the operation that a worker is busy with, be it a step of a chain; or None."""
    return beat.step or beat.operation


def _status(beat: WorkerBeat, operation: str, age_s: float) -> str:
    if age_s > UNHEALTHY_AFTER_S:
        return "unhealthy"
    # The lane's other operations could run next: only the one that runs is busy.
    if beat.state == "busy" and in_hand(beat) != operation:
        return "ready"
    return beat.state


def _vram(beat: WorkerBeat, leases: list[TenantReading]) -> dict[str, Any]:
    on_cpu = beat.device == CPU
    return {
        "usedMiB": beat.vram_used_mib,
        "peakMiB": beat.vram_peak_mib,
        "reservedMiB": None if on_cpu else _reserved_mib(leases, on_cpu=False),
        "totalMiB": beat.vram_total_mib,
        "device": beat.device,
    }


def _reserved_mib(leases: list[TenantReading], *, on_cpu: bool) -> float:
    """Return what a worker has leased of its RAM or of its GPU; what it waits for is not in it."""
    return round(sum(one.reserved_mib for one in leases if one.on_cpu == on_cpu), 1)
