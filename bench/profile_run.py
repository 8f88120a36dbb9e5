"""Where the time of one small run goes: stage by stage, statement by statement.

Run: ``python -m bench.profile_run``. Writes ``bench/results/profile_run.json``. The processes are
heard from outside (`bench.listening`), and Dagster's own events carry their times: all on one
machine, and so on one clock. Listening costs time itself, so as many runs are timed without it
first, and their median is given beside the stages.
"""

import itertools
import re
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from rich.console import Console
from rich.table import Table

from bench.listening import Command, Heard, Statement, listening, profiled_studio
from bench.processes import cpu_s
from bench.record import conditions, write_record
from bench.trivial_studio import TrivialClient
from resources.run_tags import run_id_of

WARM_UPS, PLAIN_RUNS, PROFILED_RUNS = 5, 30, 20


@dataclass(frozen=True)
class Trip:
    """One request: when it was sent and answered, in Unix time, and the run behind it."""

    sent_s: float
    answered_s: float
    run_id: str

    @property
    def total_ms(self) -> float:
        """How long the answer took."""
        return (self.answered_s - self.sent_s) * 1e3


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
    spans = itertools.pairwise(edges)
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
    figures = conditions()
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as name:
        figures |= profile(Path(name))
    write_record("profile_run", figures)
    show(figures, Console(width=200))


if __name__ == "__main__":
    main()
