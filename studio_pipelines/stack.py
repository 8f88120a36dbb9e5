"""Which processes make a running studio, and how they find each other.

Every address is settled here once and handed to the processes in their environment, so that a
process behaves the same under this stack and in a deployment that sets the variables itself.
"""

import fcntl
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio_pipelines.embedded_servers import (
    LOOPBACK,
    EmbeddedServer,
    embedded_broker,
    embedded_database,
    free_port,
)
from studio_pipelines.settings import SQLITE, Settings
from studio_pipelines.stack_processes import (
    PROJECT_DIR,
    Selection,
    StackError,
    api_url,
    dagster_url,
    service_specs,
    start_nursery,
    worker_specs,
)
from studio_pipelines.supervisor import Supervisor

LOCK_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Stack:
    """A stack that has been started.

    Attributes:
        settings: The settings, with every address as it came to be.
        env: The environment of its processes: what a client process needs to take part.
        supervisor: What keeps the processes running.
        notices: What a person should know, such as a port that was taken.
    """

    settings: Settings
    env: Mapping[str, str]
    supervisor: Supervisor
    notices: tuple[str, ...]

    @property
    def api_url(self) -> str:
        """Where the API answers, without a slash at the end."""
        return api_url(self.settings)

    @property
    def dagster_url(self) -> str:
        """Where the Dagster UI answers, without a slash at the end."""
        return dagster_url(self.settings)

    @property
    def data_dir(self) -> Path:
        """The data folder."""
        return self.settings.data_dir

    def wait_ready(self) -> None:
        """Block until requests are served.

        With an API among the processes, the Dagster UI and daemon may still be on their way.

        Raises:
            ProcessStartError: A process does not come up.
        """
        names = [status.name for status in self.supervisor.status()]
        if "api" in names:
            names = [name for name in names if not name.startswith("dagster-")]
        self.supervisor.wait_ready(names)


@contextmanager
def running_stack(settings: Settings, only: Collection[str] | None = None) -> Iterator[Stack]:
    """Run a stack on free ports for the length of a ``with`` block.

    Args:
        settings: Its settings; the ports are replaced by free ones.
        only: Components or process names to run, such as ``("broker", "worker-image")``; by
            default everything.

    Raises:
        StackError: It cannot be put together as asked, or another one uses the data folder.
        ProcessStartError: A process does not come up.
    """
    stack = start_stack(settings.model_copy(update={"api_port": 0, "dagster_port": 0}), only)
    try:
        stack.wait_ready()
        yield stack
    finally:
        stack.supervisor.stop()


def start_stack(settings: Settings, only: Collection[str] | None = None) -> Stack:
    """Start the processes and return while they come up; the caller stops the supervisor.

    Raises:
        StackError: It cannot be put together as asked, or another one uses the data folder.
    """
    selection = Selection(only)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock_data_dir(settings.data_dir)
    log_dir = settings.data_dir / "logs"
    log_dir.mkdir(mode=0o700, exist_ok=True)
    supervisor = Supervisor(log_dir, inherited_fds=(lock,))
    try:
        settings, port_notices = _with_ports(settings, selection)
        settings, servers, server_notices = _with_servers(settings, selection)
        _write_dagster_home(settings)
        notices = (*port_notices, *server_notices, *_key_notice(settings, selection))
        stack = Stack(settings, _environment(settings), supervisor, notices)
        nursery = None
        if selection.uses("worker"):
            nursery = start_nursery(stack.env, selection, log_dir)
            supervisor.keep(nursery)
        supervisor.start([server.process for server in servers])
        supervisor.start(list(service_specs(stack.settings, stack.env, selection)))
        if nursery is not None:
            # Which lanes there are takes seconds to find out: the servers start meanwhile.
            supervisor.start(worker_specs(stack.settings, stack.env, selection, nursery))
    except BaseException:
        supervisor.stop()
        raise
    return stack


def _lock_data_dir(data_dir: Path) -> int:
    """Lock the folder for this stack; each process keeps the lock until the last one is gone."""
    lock = os.open(data_dir / "stack.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline_s = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                os.close(lock)
                raise StackError(
                    f"Another studio is running with the data folder {data_dir}. Stop it, or set "
                    "STUDIO_DATA_DIR to another folder."
                ) from None
            time.sleep(0.1)
        else:
            return lock


def _with_ports(settings: Settings, selection: Selection) -> tuple[Settings, list[str]]:
    """Choose the ports; return settings that name them, and a notice of each that was taken."""
    ports: dict[str, int] = {}
    notices: list[str] = []
    for name, wanted, host in (
        ("api", settings.api_port, settings.host),
        ("dagster", settings.dagster_port, LOOPBACK),
    ):
        port = ports[f"{name}_port"] = free_port(wanted, host)
        if wanted and port != wanted and selection.uses(name):
            notices.append(f"Port {wanted} is taken: {name} is on port {port}.")
    return settings.model_copy(update=ports), notices


def _with_servers(
    settings: Settings, selection: Selection
) -> tuple[Settings, list[EmbeddedServer], list[str]]:
    """Make the servers that are not configured; return settings that name them, and notices."""
    urls: dict[str, str] = {}
    servers: list[EmbeddedServer] = []
    notices: list[str] = []
    for name, field, make in (
        ("broker", "redis_url", embedded_broker),
        ("database", "database_url", embedded_database),
    ):
        if getattr(settings, field) is not None:
            continue
        if not selection.has(name):
            _refuse_if_needed(name, field, selection)
        elif server := make(settings.data_dir):
            urls[field] = server.url
            servers.append(server)
        else:
            notices.append("No Postgres for this machine: runs are kept in SQLite, at half speed.")
    return settings.model_copy(update=urls), servers, notices


def _key_notice(settings: Settings, selection: Selection) -> list[str]:
    if not (selection.has("api") and settings.needs_keys):
        return []
    return ["Requests need an API key: `studio keys create NAME` makes one."]


def _refuse_if_needed(server: str, field: str, selection: Selection) -> None:
    users = [name for name in ("worker", "dagster", "api") if selection.uses(name)]
    if users:
        raise StackError(
            f"{' and '.join(users)} need a {server}: add {server} to --only, or set "
            f"STUDIO_{field.upper()} to one that runs."
        )


def _environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        **settings.as_env(),
        "DAGSTER_HOME": str(settings.data_dir / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PYTHONUNBUFFERED": "1",
    }


def _write_dagster_home(settings: Settings) -> None:
    import yaml

    home = settings.data_dir / "dagster"
    home.mkdir(mode=0o700, exist_ok=True)
    instance = yaml.safe_load((PROJECT_DIR / "dagster.yaml").read_text())
    if settings.database_url in (None, SQLITE):
        for name in ("run_storage", "event_log_storage", "schedule_storage"):
            del instance[name]
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
