"""The services and workers of a stack as processes: their commands, order and readiness."""

import socket
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from studio_pipelines.embedded_servers import LOOPBACK
from studio_pipelines.listening import is_any_address
from studio_pipelines.nursery import Nursery, NurseryFailed
from studio_pipelines.readiness import http_answers, worker_takes_work
from studio_pipelines.settings import Settings
from studio_pipelines.supervised_process import ProcessSpec
from studio_pipelines.worker_name import WorkerName

COMPONENTS = ("broker", "database", "worker", "dagster", "api")
PROJECT_DIR = Path(__file__).resolve().parent.parent
DAGSTER_NICENESS = 5
# glibc gives each thread a heap of its own, and keeps what is freed there: over 60 jobs a worker
# grew from 326 to 507 MiB, and with two heaps it stays at 341.
# OpenMP's threads wait for each other busily: where another lane computes too, PyTorch's networks
# took three times the processor time, and twice as long.
WORKER_ENV = {"MALLOC_ARENA_MAX": "2", "OMP_WAIT_POLICY": "PASSIVE"}


class StackError(RuntimeError):
    """The stack cannot be put together as asked."""


@dataclass(frozen=True)
class Selection:
    """The processes that are to run.

    Attributes:
        names: Components, or processes of one (``worker-image``); None selects everything.
    """

    names: Collection[str] | None = None

    def __post_init__(self) -> None:
        for name in self.names or ():
            if name.partition("-")[0] not in COMPONENTS:
                raise StackError(f"There is no process {name!r}; there are {COMPONENTS}.")

    def has(self, process: str) -> bool:
        """Whether a process is to run."""
        return (
            self.names is None or process in self.names or process.partition("-")[0] in self.names
        )

    def uses(self, component: str) -> bool:
        """Whether any process of a component is to run."""
        return self.names is None or any(name.partition("-")[0] == component for name in self.names)

    @property
    def worker_lanes(self) -> set[str] | None:
        """The lanes whose workers are to run, None for all; ``worker-image-2`` is of ``image``."""
        if self.names is None or "worker" in self.names:
            return None
        return {name.split("-")[1] for name in self.names if name.startswith("worker-")}


def api_url(settings: Settings) -> str:
    """Where the API answers, without a slash at the end."""
    host = LOOPBACK if is_any_address(settings.host) else settings.host
    return f"http://{host}:{settings.api_port}"


def dagster_url(settings: Settings) -> str:
    """Where the Dagster UI answers, without a slash at the end."""
    return f"http://{LOOPBACK}:{settings.dagster_port}"


def service_specs(
    settings: Settings, env: Mapping[str, str], selection: Selection
) -> Iterator[ProcessSpec]:
    """The API, and Dagster's web server and daemon: the API first, as people wait for it."""
    service = partial(
        ProcessSpec, env=env, cwd=PROJECT_DIR, after=("broker", "database"), stop_grace_s=8.0
    )
    python = sys.executable
    if selection.has("api"):
        port = str(settings.api_port)
        yield service(
            name="api",
            command=(
                *(python, "-m", "uvicorn", "api.app:create_app", "--factory"),
                *("--host", settings.host, "--port", port),
                *("--http", "api.http_protocol:BoundedHttp"),
                *("--timeout-graceful-shutdown", "3"),
                *("--log-level", settings.log_level.lower()),
            ),
            ready=http_answers(f"{api_url(settings)}/readyz"),
            url=api_url(settings),
        )
    if selection.has("dagster-webserver"):
        port = str(settings.dagster_port)
        yield service(
            name="dagster-webserver",
            command=(
                *(python, "-m", "dagster_webserver", "-w", "workspace.yaml"),
                *("-h", LOOPBACK, "-p", port),
            ),
            ready=http_answers(f"{dagster_url(settings)}/server_info"),
            niceness=DAGSTER_NICENESS,
            url=dagster_url(settings),
        )
    if selection.has("dagster-daemon"):
        yield service(
            name="dagster-daemon",
            command=(python, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"),
            niceness=DAGSTER_NICENESS,
        )


def start_nursery(env: Mapping[str, str], selection: Selection, log_dir: Path) -> Nursery:
    """Start what the workers are forked from; it takes some seconds, so it begins first."""
    return Nursery(
        selection.worker_lanes, {**WORKER_ENV, **env}, PROJECT_DIR, log_dir / "nursery.log"
    )


def worker_specs(
    settings: Settings, env: Mapping[str, str], selection: Selection, nursery: Nursery
) -> list[ProcessSpec]:
    """The workers of each lane.

    Raises:
        StackError: The operations cannot be loaded, so that the lanes are not known.
    """
    try:
        lanes = nursery.lanes()
    except NurseryFailed as error:
        raise StackError(f"The operations cannot be loaded:\n{error}") from error
    names = [
        WorkerName(lane, socket.gethostname(), number)
        for lane in lanes
        for number in range(1, settings.lane_workers.get(lane, 1) + 1)
    ]
    return [
        worker_spec(settings, env, name, nursery)
        for name in names
        if selection.has(f"worker-{name.lane}") or selection.has(f"worker-{name.process}")
    ]


def worker_spec(
    settings: Settings, env: Mapping[str, str], name: WorkerName, nursery: Nursery | None
) -> ProcessSpec:
    """One worker, forked from the nursery, or else executed."""
    assert settings.redis_url is not None
    return ProcessSpec(
        name=f"worker-{name.process}",
        command=(
            *(sys.executable, "-m", "studio_pipelines.worker"),
            *("--lane", name.lane, "--number", str(name.number)),
        ),
        env={**WORKER_ENV, **env},
        cwd=PROJECT_DIR,
        after=("broker", "database"),
        ready=worker_takes_work(settings.redis_url, str(name)),
        stop_grace_s=8.0,
        nursery=nursery,
    )
