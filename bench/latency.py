"""From request to result of the smallest jobs, beside dagster-celery out of the box, in one run.

Run: ``python -m bench.latency``. Writes ``bench/results/latency.json``. Ours are synchronous HTTP
requests, timed by the client from the first byte sent to the last received: a trivial op that keeps
a copy of a tiny file, on Postgres and on SQLite, and the grading of a picture of one pixel. The
peers run one trivial op that returns a number, without HTTP, on the same Valkey and Postgres
(`bench.stock_dagster_celery` says how); their end is seen by looking at storage every 20 ms.
"""

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bench.record import conditions, summary, write_record
from bench.stock_dagster_celery import (
    celery_executor,
    celery_launcher,
    default_launcher,
    stock_worker,
)
from bench.trivial_studio import LANE, TrivialClient, bench_settings
from studio_pipelines.settings import SQLITE
from studio_pipelines.stack import Stack, running_stack

WARM_UPS, RUNS = 5, 50
PEER_WARM_UPS, PEER_RUNS = 1, 5
GRADING_ROUTE = "/api/grading/apply"
Peer = Callable[[Stack], AbstractContextManager[Callable[[], None]]]
PEERS: dict[str, Peer] = {
    "default_launcher_and_celery_executor": default_launcher,
    "celery_launcher": celery_launcher,
    "celery_executor_from_a_warm_process": celery_executor,
}


def times_ms(work: Callable[[], object], warm_ups: int, runs: int) -> list[float]:
    """How long some work takes, each time, after a few times that do not count."""
    times: list[float] = []
    for _ in range(warm_ups + runs):
        start_s = time.perf_counter()
        work()
        times.append((time.perf_counter() - start_s) * 1e3)
    return times[warm_ups:]


def on_postgres(folder: Path) -> dict[str, Any]:
    """Time our two jobs on the embedded Postgres."""
    processes = ("broker", "database", f"worker-{LANE}", "worker-image", "api")
    with running_stack(bench_settings(folder), processes) as stack:
        client = TrivialClient(stack.api_url)

        def grade() -> None:
            body = {"image": client.image, "exposure": 0.5}
            client.http.post(GRADING_ROUTE, json=body).raise_for_status()

        return {
            "trivial_op_over_http": summary(times_ms(client.run, WARM_UPS, RUNS)),
            "one_pixel_grade_over_http": summary(times_ms(grade, WARM_UPS, RUNS)),
        }


def on_sqlite(folder: Path) -> dict[str, float]:
    """Time the trivial op on SQLite."""
    settings = bench_settings(folder, database_url=SQLITE)
    with running_stack(settings, ("broker", f"worker-{LANE}", "api")) as stack:
        return summary(times_ms(TrivialClient(stack.api_url).run, WARM_UPS, RUNS))


def peers(folder: Path) -> dict[str, Any]:
    """Time the peers."""
    found: dict[str, Any] = {}
    servers = running_stack(bench_settings(folder), ("broker", "database"))
    with servers as stack, stock_worker(stack):
        for name, peer in PEERS.items():
            with peer(stack) as run:
                found[name] = summary(times_ms(run, PEER_WARM_UPS, PEER_RUNS))
    return found


def main() -> None:
    """Measure all and write the figures down."""
    figures = conditions()
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as name:
        folder = Path(name)
        figures |= on_postgres(folder / "data")
        figures["trivial_op_over_http_on_sqlite"] = on_sqlite(folder / "sqlite")
        figures["dagster_celery"] = peers(folder / "data")
    ours_ms = figures["trivial_op_over_http"]["median_ms"]
    figures["times_slower_than_ours"] = {
        name: round(row["median_ms"] / ours_ms, 1)
        for name, row in figures["dagster_celery"].items()
    }
    write_record("latency", figures)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
