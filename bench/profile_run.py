"""Where the time of one small run goes: stage by stage, statement by statement.

Run: ``python -m bench.profile_run``. Writes ``bench/results/profile_run.json``. Nothing inside the
processes is touched: Postgres logs every statement with the name that each process gave itself,
Redis repeats every command (MONITOR), and Dagster's own events carry their times. All of it is on
one machine and so on one clock. Listening costs time itself, so the same runs are timed without it
first, and that median is given beside the stages.
"""

import json
import os
import re
import statistics
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import redis
from rich.console import Console
from rich.table import Table

from bench.trivial_studio import LANE, TrivialClient, bench_settings, started
from resources.run_tags import run_id_of
from studio_pipelines.stack import Stack

RESULTS = Path(__file__).parent / "results" / "profile_run.json"
WARM_UPS, PLAIN_RUNS, PROFILED_RUNS = 5, 30, 20
MARK = "studio-profile"
LOG_LINE = re.compile(
    r"^(?P<at>\d+\.\d+)\|(?P<process>[^|]*)\|(?P<pid>\d+)\|LOG:\s+"
    r"duration: (?P<ms>[\d.]+) ms\s+statement: (?P<sql>.*)$",
    re.DOTALL,
)
LITERAL = re.compile(r"E?'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
IN_LIST = re.compile(r"\?(?:\s*,\s*\?)+")


@dataclass(frozen=True)
class Statement:
    """A statement that a process sent to the database; ``ended_s`` is Unix time."""

    ended_s: float
    process: str
    duration_ms: float
    sql: str

    @property
    def began_s(self) -> float:
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
class Trip:
    """One request: when it was sent and answered, in Unix time, and the run behind it."""

    sent_s: float
    answered_s: float
    run_id: str

    @property
    def total_ms(self) -> float:
        return (self.answered_s - self.sent_s) * 1e3


@dataclass(frozen=True)
class ProfiledStudio:
    """The stacks of one studio, each process group with a name of its own in the database."""

    stacks: Mapping[str, Stack]

    @property
    def api_url(self) -> str:
        return self.stacks["api"].api_url

    @property
    def database_url(self) -> str:
        return str(self.stacks["servers"].settings.database_url)

    @property
    def redis_url(self) -> str:
        return str(self.stacks["servers"].settings.redis_url)

    @property
    def database_log(self) -> Path:
        return self.stacks["servers"].data_dir / "logs" / "database.log"

    def processes(self) -> dict[str, psutil.Process]:
        """The processes by name; those of a worker are its parent and its child."""
        found: dict[str, psutil.Process] = {}
        for stack in self.stacks.values():
            for status in stack.supervisor.status():
                process = found[status.name] = psutil.Process(status.pid)
                if status.name.startswith("worker"):
                    found[f"{status.name} child"] = process.children()[0]
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


def trips(client: TrivialClient, count: int) -> list[Trip]:
    """Run jobs one after the other."""
    found: list[Trip] = []
    for _ in range(count):
        sent_s = time.time()
        answer = client.run()
        run_id = run_id_of(str(answer["jobId"]))
        assert run_id
        found.append(Trip(sent_s, time.time(), run_id))
    return found


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
                raw.append(command)
                if MARK in command["command"]:
                    return

    thread = threading.Thread(target=monitor, daemon=True)
    thread.start()
    monitoring.wait()
    _set_statement_log(studio.database_url, "0")
    log_begins = studio.database_log.stat().st_size
    yield heard
    _set_statement_log(studio.database_url, "-1")
    owners = _port_owners(studio)
    redis_client.echo(MARK)
    thread.join(timeout=10)
    heard.commands += [
        Command(one["time"], owners.get(int(one["client_port"] or 0), "?"), one["command"])
        for one in raw
    ]
    time.sleep(0.5)  # the log is written through a pipe
    heard.statements += _logged_statements(studio.database_log, log_begins)


def _set_statement_log(database_url: str, min_duration_ms: str) -> None:
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET log_line_prefix = '%n|%a|%p|'")
        cursor.execute(f"ALTER SYSTEM SET log_min_duration_statement = {min_duration_ms}")
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()
    time.sleep(0.5)


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


def run_events(database_url: str, run_id: str) -> dict[str, float]:
    """When Dagster says that each type of event of a run happened first, in Unix time."""
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT dagster_event_type, min(extract(epoch from timestamp)) FROM event_logs "
            "WHERE run_id = %s AND dagster_event_type IS NOT NULL GROUP BY 1",
            (run_id,),
        )
        rows = cursor.fetchall()
    connection.close()
    return {kind: float(at_s) for kind, at_s in rows}


def stages_ms(trip: Trip, heard: Heard, events: Mapping[str, float]) -> dict[str, float]:
    """Split one request's time at what was heard of it, in milliseconds."""
    statements = [one for one in heard.statements if trip.sent_s <= one.began_s <= trip.answered_s]
    commands = [one for one in heard.commands if trip.sent_s <= one.at_s <= trip.answered_s]
    queued_s = next(one.at_s for one in commands if one.text.startswith("LPUSH"))
    points = {
        "HTTP, worker check, input looked up": trip.sent_s,
        "run created in storage": min(s.began_s for s in statements if s.process == "api"),
        "launch events written": events["PIPELINE_STARTING"],
        "task waits until the worker asks storage": queued_s,
        "run and job loaded": min(
            one.began_s
            for one in statements
            if one.process == "worker" and one.began_s >= queued_s - 0.002
        ),
        "run started: plan, resources": events["PIPELINE_START"],
        "op, with its output's events": events["STEP_START"],
        "run ended": events["STEP_SUCCESS"],
        "outcome told": events["PIPELINE_SUCCESS"],
        "answer made, with the run's times": next(
            one.at_s for one in commands if "PUBLISH studio:outcomes" in one.text
        ),
    }
    edges = [*points.values(), trip.answered_s]
    spans = zip(edges, edges[1:], strict=False)
    return {
        name: (end_s - begin_s) * 1e3 for name, (begin_s, end_s) in zip(points, spans, strict=True)
    }


def statement_rows(statements: Sequence[Statement], runs: int) -> list[dict[str, Any]]:
    """The statements by process and shape, per run."""
    grouped: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for one in statements:
        grouped[one.process, one.shape].append(one.duration_ms)
    rows = [
        {
            "process": process,
            "statement": shape,
            "per_run": round(len(times) / runs, 2),
            "server_ms_per_run": round(sum(times) / runs, 3),
        }
        for (process, shape), times in grouped.items()
    ]
    return sorted(rows, key=lambda row: (row["process"], -row["per_run"]))


def command_rows(commands: Sequence[Command], runs: int) -> list[dict[str, Any]]:
    """The Redis commands by process and name, per run."""
    counted = Counter((one.process, _command_shape(one.text)) for one in commands)
    return [
        {"process": process, "command": shape, "per_run": round(count / runs, 2)}
        for (process, shape), count in sorted(counted.items(), key=lambda row: (row[0][0], -row[1]))
    ]


def _command_shape(text: str) -> str:
    """The command and its first key, ids left out."""
    words = text.split(maxsplit=2)
    key = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", words[1]) if len(words) > 1 else ""
    return f"{words[0].upper()} {key[:60]}".strip()


def cpu_s(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """Processor time that each process, its ended and living children included, has used."""
    used: dict[str, float] = {}
    for name, process in processes.items():
        family = [process]
        if name == "database":
            family += process.children(recursive=True)
        times = [one.cpu_times() for one in family]
        used[name] = sum(time.user + time.system for time in times)
    return used


def profile(folder: Path) -> dict[str, Any]:
    """Run the jobs and put the figures together."""
    with profiled_studio(folder) as studio:
        client = TrivialClient(studio.api_url)
        trips(client, WARM_UPS)
        processes = studio.processes()
        before = cpu_s(processes)
        plain = trips(client, PLAIN_RUNS)
        after = cpu_s(processes)
        with listening(studio) as heard:
            trips(client, 2)  # what listening itself sets off
            profiled = trips(client, PROFILED_RUNS)
        begin_s, end_s = profiled[0].sent_s, profiled[-1].answered_s
        stages = [
            stages_ms(trip, heard, run_events(studio.database_url, trip.run_id))
            for trip in profiled
        ]
    statements = [one for one in heard.statements if begin_s <= one.began_s <= end_s]
    commands = [one for one in heard.commands if begin_s <= one.at_s <= end_s]
    return {
        "plain_median_ms": round(statistics.median(trip.total_ms for trip in plain), 1),
        "profiled_median_ms": round(statistics.median(trip.total_ms for trip in profiled), 1),
        "stages_median_ms": {
            name: round(statistics.median(one[name] for one in stages), 1) for name in stages[0]
        },
        "cpu_ms_per_run": {
            name: round((after[name] - before[name]) * 1e3 / PLAIN_RUNS, 1) for name in before
        },
        "statements_per_run": {
            process: round(sum(one.process == process for one in statements) / PROFILED_RUNS, 1)
            for process in ("api", "worker")
        },
        "statements": statement_rows(statements, PROFILED_RUNS),
        "redis_commands": command_rows(commands, PROFILED_RUNS),
    }


def show(figures: Mapping[str, Any], console: Console) -> None:
    """Print the figures as tables."""
    console.print(
        f"median {figures['plain_median_ms']} ms; {figures['profiled_median_ms']} ms while heard"
    )
    for title, key in (
        ("stage, median ms", "stages_median_ms"),
        ("CPU ms a run", "cpu_ms_per_run"),
    ):
        table = Table(title, "ms")
        for name, value in figures[key].items():
            table.add_row(name, f"{value:.1f}")
        console.print(table)
    console.print(f"statements a run: {figures['statements_per_run']}")
    for key in ("statements", "redis_commands"):
        rows = figures[key]
        table = Table(*rows[0])
        for row in rows:
            table.add_row(*(str(value)[:150] for value in row.values()))
        console.print(table)


def main() -> None:
    """Measure and write the figures down."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as name:
        figures = profile(Path(name))
    figures = {
        "cores": len(os.sched_getaffinity(0)),
        "load_average_at_start": round(load, 1),
        **figures,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    show(figures, Console(width=200))


if __name__ == "__main__":
    main()
