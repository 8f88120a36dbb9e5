"""The workers, the operations, and whether the service lives."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from studio_pipelines.contract.answer import Answer


class Memory(Answer):
    """Memory of a worker's device; null on a machine without a GPU, where nothing is invented."""

    used_mib: float | None = Field(alias="usedMiB")
    peak_mib: float | None = Field(alias="peakMiB")
    reserved_mib: float | None = Field(alias="reservedMiB")
    total_mib: float | None = Field(alias="totalMiB")
    device: str


class WorkerModel(Answer):
    """A model of a worker: as it is declared, and, where it is loaded, as it is held."""

    name: str
    state: str = Field(description="`absent`, `on_disk`, `damaged` or `loaded`.")
    version: str | None = None
    role: str | None = None
    licence: str | None = None
    commercial_use: bool | None = None
    admitted: bool | None = Field(None, description="Whether the licence policy admits it.")
    embedded: bool | None = None
    bytes: int | None = None
    precision: str | None = None
    mib: float | None = Field(None, alias="MiB")
    in_use: bool | None = None
    idle_s: float | None = None
    hits: int | None = None
    keep_warm: bool | None = None


class WorkerRow(Answer):
    """One worker, as its heartbeat tells."""

    id: str
    route: str
    status: Literal["offline", "starting", "ready", "busy", "unhealthy"]
    ready: bool
    built: bool
    lane: str | None = Field(description="Rows of one lane are served by the same processes.")
    processes: int
    vram: Memory | None
    rss_mib: float | None = Field(alias="rssMiB")
    ram_reserved_mib: float | None = Field(alias="ramReservedMiB")
    models: tuple[WorkerModel, ...]
    current_job: str | None
    queue_depth: int
    heartbeat_age_ms: int | None
    host: str | None
    pid: int | None


class Gpu(Answer):
    """A GPU of a worker's machine."""

    index: int
    name: str
    host: str
    used_mib: float | None = Field(None, alias="usedMiB")
    total_mib: float | None = Field(None, alias="totalMiB")
    utilisation_percent: float | None = None


class WorkersStatus(Answer):
    """All workers."""

    success: Literal[True] = True
    workers: tuple[WorkerRow, ...]
    gpus: tuple[Gpu, ...]
    observed_at: datetime


class OperationRow(Answer):
    """An operation, and what a request for it may hold."""

    worker: str
    route: str
    built: bool
    summary: str
    models: tuple[WorkerModel, ...]
    name: str | None = None
    version: str | None = None
    returns: str | None = Field(None, description="Kind of the main result.")
    inputs: tuple[str, ...] | None = Field(None, description="Fields that are media references.")
    body: Mapping[str, Any] | None = Field(
        None, alias="schema", description="JSON schema of the request."
    )


class OperationList(Answer):
    """The operations of the studio."""

    operations: tuple[OperationRow, ...]
    next_cursor: str | None


class PipelineRow(Answer):
    """A chain, and what a request for it may hold."""

    name: str
    route: str
    built: bool
    missing: tuple[str, ...] = Field(description="Operations that it lacks.")
    steps: tuple[str, ...]
    summary: str
    inputs: tuple[str, ...] | None = Field(None, description="Fields that are media references.")
    body: Mapping[str, Any] | None = Field(
        None, alias="schema", description="JSON schema of the request."
    )


class PipelineList(Answer):
    """The chains of the studio."""

    pipelines: tuple[PipelineRow, ...]
    next_cursor: str | None


class Alive(Answer):
    """The process runs."""

    status: Literal["ok"]


class Readiness(Answer):
    """Whether jobs can be taken."""

    status: Literal["ok", "broker away", "database away"]
    workers: int | None = Field(None, description="Worker processes that give a sign of life.")
