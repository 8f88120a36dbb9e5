"""Hearing what the processes of a studio say to the database and to Redis, from outside.

Postgres logs every statement, with the name that each process gave itself when it connected; Redis
repeats every command (MONITOR). Nothing in the processes that are heard is touched.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import redis

from bench.processes import stack_processes
from bench.trivial_studio import LANE, bench_settings, started
from studio_pipelines.stack import Stack

END_MARK = "studio-heard-enough"
LOG_LINE = re.compile(
    r"^(?P<at>\d+\.\d+)\|(?P<process>[^|]*)\|(?P<pid>\d+)\|LOG:\s+"
    r"duration: (?P<ms>[\d.]+) ms\s+statement: (?P<sql>.*)$",
    re.DOTALL,
)
LITERAL = re.compile(r"E?'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
IN_LIST = re.compile(r"\?(?:\s*,\s*\?)+")
SETTLE_S = 0.5


@dataclass(frozen=True)
class Statement:
    """A statement that a process sent to the database; ``ended_s`` is Unix time."""

    ended_s: float
    process: str
    duration_ms: float
    sql: str

    @property
    def began_s(self) -> float:
        """When it reached the server, in Unix time."""
        return self.ended_s - self.duration_ms / 1e3

    @property
    def shape(self) -> str:
        """The statement without its values, cut to a line."""
        return IN_LIST.sub("?…", LITERAL.sub("?", " ".join(self.sql.split())))


@dataclass(frozen=True)
class Command:
    """A command that a process sent to Redis; ``at_s`` is Unix time."""

    at_s: float
    process: str
    text: str


@dataclass
class Heard:
    """What was heard of a stack while it ran jobs."""

    statements: list[Statement] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)


@dataclass(frozen=True)
class ProfiledStudio:
    """The stacks of one studio, each process group with a name of its own in the database."""

    stacks: Mapping[str, Stack]

    @property
    def api_url(self) -> str:
        """Where its API answers."""
        return self.stacks["api"].api_url

    @property
    def database_url(self) -> str:
        """Where its Postgres answers."""
        return str(self.stacks["servers"].settings.database_url)

    @property
    def redis_url(self) -> str:
        """Where its Redis answers."""
        return str(self.stacks["servers"].settings.redis_url)

    @property
    def database_log(self) -> Path:
        """The log of its Postgres."""
        return self.stacks["servers"].data_dir / "logs" / "database.log"

    def processes(self) -> dict[str, psutil.Process]:
        """The processes of all stacks by name."""
        found: dict[str, psutil.Process] = {}
        for stack in self.stacks.values():
            found |= stack_processes(stack)
        return found


@contextmanager
def profiled_studio(folder: Path) -> Iterator[ProfiledStudio]:
    """Run a studio as three stacks, as on three machines, so that each can be told apart."""
    with ExitStack() as closing:
        settings = bench_settings(folder / "servers")
        servers = closing.enter_context(started(settings, ("broker", "database")))
        stacks = {"servers": servers}
        for name, only in (("worker", f"worker-{LANE}"), ("api", "api")):
            part = servers.settings.model_copy(update={"data_dir": folder / name})
            stacks[name] = closing.enter_context(started(part, (only,), {"PGAPPNAME": name}))
        yield ProfiledStudio(stacks)


@contextmanager
def listening(studio: ProfiledStudio) -> Iterator[Heard]:
    """Hear statements and commands while the block lasts; the record is whole when it ends."""
    heard = Heard()
    redis_client = redis.Redis.from_url(studio.redis_url, decode_responses=True)
    raw: list[dict[str, Any]] = []
    monitoring = threading.Event()

    def monitor() -> None:
        with redis_client.monitor() as stream:
            monitoring.set()
            for command in stream.listen():
                if command is None:
                    continue
                raw.append(command)
                if END_MARK in command["command"]:
                    return

    thread = threading.Thread(target=monitor, daemon=True)
    thread.start()
    monitoring.wait()
    _set_statement_log(studio.database_url, "0")
    log_begins = studio.database_log.stat().st_size
    yield heard
    _set_statement_log(studio.database_url, "-1")
    owners = _port_owners(studio)
    redis_client.echo(END_MARK)
    thread.join(timeout=10)
    heard.commands += [
        Command(one["time"], owners.get(int(one["client_port"] or 0), "?"), one["command"])
        for one in raw
    ]
    time.sleep(SETTLE_S)  # the log is written through a pipe
    heard.statements += _logged_statements(studio.database_log, log_begins)


def _set_statement_log(database_url: str, min_duration_ms: str) -> None:
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET log_line_prefix = '%n|%a|%p|'")
        cursor.execute(f"ALTER SYSTEM SET log_min_duration_statement = {min_duration_ms}")
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()
    time.sleep(SETTLE_S)


def _logged_statements(log: Path, begin: int) -> list[Statement]:
    with log.open() as file:
        file.seek(begin)
        text = file.read()
    # A statement's further lines begin with a tab.
    records = text.replace("\n\t", " ").splitlines()
    found = [match for record in records if (match := LOG_LINE.match(record))]
    return [
        Statement(float(one["at"]), one["process"], float(one["ms"]), one["sql"])
        for one in found
        if one["process"] in ("api", "worker")
    ]


def _port_owners(studio: ProfiledStudio) -> dict[int, str]:
    owners: dict[int, str] = {}
    for name, process in studio.processes().items():
        if name not in ("broker", "database"):
            owners |= {one.laddr.port: name for one in process.net_connections("tcp") if one.laddr}
    return owners
