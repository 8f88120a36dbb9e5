"""Many small jobs at once, and small jobs beside a long history.

Run: ``python -m bench.sustained``. Writes ``bench/results/sustained.json``.

- *Load*: 200 jobs from 20 clients that each wait for one job at a time, on two worker processes of
  one lane. Every job copies a file of its own, so that a lost, doubled or mixed-up job shows. The
  processor time of each part tells which of them limits the rate.
- *History*: the latency of the same job in two studios in turns, so that both meet the same
  machine: one with nearly empty storage, one with 50 000 finished runs.
"""

import json
import os
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2

from bench.many_runs import fill_with_runs
from bench.processes import cpu_s, machine_cpu_s, stack_processes
from bench.record import conditions, summary, write_record
from bench.trivial_studio import LANE, ROUTE, TrivialClient, bench_settings, pixel_png
from resources.run_tags import run_id_of
from studio_pipelines.stack import Stack, running_stack

JOBS, CLIENTS, WORKERS = 200, 20, 2
HISTORY_RUNS = 50_000
WARM_UPS, PAIRS = 10, 50
ONCE_A_RUN = ("PIPELINE_START", "ASSET_MATERIALIZATION", "PIPELINE_SUCCESS")


@dataclass(frozen=True)
class Served:
    """One job as its client saw it."""

    job_id: str
    sent_sha256: str
    kept_sha256: str
    took_ms: float


def worker_names(count: int) -> tuple[str, ...]:
    """The processes of the lane's workers."""
    return (f"worker-{LANE}", *(f"worker-{LANE}-{n}" for n in range(2, count + 1)))


def serve_load(stack: Stack, jobs: int, clients: int) -> tuple[list[Served], float]:
    """Send the jobs from clients that run beside each other; return them and the time in s."""
    pictures = [pixel_png(number) for number in range(jobs)]
    with httpx.Client(base_url=stack.api_url) as uploader:
        answers = [uploader.post("/api/assets", content=picture) for picture in pictures]
    orders = [
        (f"asset:{answer.json()['id']}", sha256(picture).hexdigest())
        for answer, picture in zip(answers, pictures, strict=True)
    ]
    all_ready = threading.Barrier(clients + 1)

    def client(share: Sequence[tuple[str, str]]) -> list[Served]:
        with httpx.Client(base_url=stack.api_url, timeout=120) as http:
            http.get("/healthz")
            all_ready.wait()
            return [_serve_one(http, image, digest) for image, digest in share]

    with ThreadPoolExecutor(clients) as threads:
        shares = [threads.submit(client, orders[first::clients]) for first in range(clients)]
        all_ready.wait()
        began_s = time.perf_counter()
        served = [one for share in shares for one in share.result()]
        return served, time.perf_counter() - began_s


def _serve_one(http: httpx.Client, image: str, digest: str) -> Served:
    began_s = time.perf_counter()
    answer = http.post(ROUTE, json={"image": image})
    took_ms = (time.perf_counter() - began_s) * 1e3
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return Served(body["jobId"], digest, body["data"]["assets"]["copy"]["sha256"], took_ms)


def load_figures(folder: Path, jobs: int, clients: int, workers: int) -> dict[str, Any]:
    """Run the load and check every job."""
    lane_workers = {"lane_workers": {LANE: workers}} if workers > 1 else {}
    settings = bench_settings(folder, **lane_workers)
    names = worker_names(workers)
    with running_stack(settings, ("broker", "database", "api", *names)) as stack:
        serve_load(stack, 5 * workers, workers)
        processes = {**stack_processes(stack), "clients": psutil.Process()}
        before_s, machine_before_s = cpu_s(processes), machine_cpu_s()
        served, took_s = serve_load(stack, jobs, clients)
        cores = {
            name: round((used_s - before_s[name]) / took_s, 2)
            for name, used_s in cpu_s(processes).items()
        }
        machine_cores = (machine_cpu_s() - machine_before_s) / took_s
        wrong = faults(served, str(stack.settings.database_url))
    return {
        "jobs": jobs,
        "clients": clients,
        "workers": workers,
        "jobs_per_s": round(jobs / took_s, 2),
        "latency_ms": percentiles([one.took_ms for one in served]),
        "faults": wrong,
        "cores_used": cores,
        "cores_busy_on_the_machine": round(machine_cores, 2),
        "limit": limit_of(cores, machine_cores),
    }


def faults(served: Sequence[Served], database_url: str) -> dict[str, int]:
    """Count the jobs that are lost, doubled or wrong; all are 0 when all is well."""
    run_ids = [str(run_id_of(one.job_id)) for one in served]
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT run_id, dagster_event_type, count(*) FROM event_logs "
            "WHERE run_id = ANY(%s) AND dagster_event_type = ANY(%s) GROUP BY 1, 2",
            (run_ids, list(ONCE_A_RUN)),
        )
        told = {(run_id, kind): count for run_id, kind, count in cursor.fetchall()}
    connection.close()
    by_kind = Counter(
        kind for run_id in set(run_ids) for kind in ONCE_A_RUN if told.get((run_id, kind)) != 1
    )
    return {
        "job_ids_given_twice": len(run_ids) - len(set(run_ids)),
        "wrong_results": sum(one.sent_sha256 != one.kept_sha256 for one in served),
        **{f"runs_without_exactly_one_{kind}": by_kind[kind] for kind in ONCE_A_RUN},
    }


def percentiles(times_ms: Sequence[float]) -> dict[str, float]:
    """The percentiles that people ask for, in milliseconds."""
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    points = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(times_ms)}
    return {name: round(value, 1) for name, value in points.items()}


def limit_of(cores: Mapping[str, float], machine_cores: float) -> str:
    """Say in words what limits the rate."""
    busiest = max(cores, key=lambda name: cores[name])
    used, there = sum(cores.values()), len(os.sched_getaffinity(0))
    parts = f"{busiest} takes {cores[busiest]:.2f} of one core, all parts {used:.2f} of {there}"
    if cores[busiest] > 0.9:
        return f"One process: {parts}."
    if used > 0.85 * there:
        return f"The machine's cores: {parts}."
    if machine_cores > 0.85 * there:
        return f"Other load on the machine, {machine_cores - used:.2f} cores: {parts}."
    return f"Waiting: {parts}."


def history_figures(folder: Path, runs: int) -> dict[str, Any]:
    """Compare a studio with a long history with a fresh one, job by job."""
    processes = ("broker", "database", "api", f"worker-{LANE}")
    with (
        running_stack(bench_settings(folder / "fresh"), processes) as fresh,
        running_stack(bench_settings(folder / "old"), processes) as old,
    ):
        clients = {"fresh": TrivialClient(fresh.api_url), "old": TrivialClient(old.api_url)}
        for client in clients.values():
            client.times_ms(WARM_UPS)
        began_s = time.perf_counter()
        runs_in_storage = fill_with_runs(str(old.settings.database_url), runs)
        fill_s = time.perf_counter() - began_s
        times: dict[str, list[float]] = {name: [] for name in clients}
        for turn in range(WARM_UPS + PAIRS):
            for name, client in clients.items():
                found = client.times_ms(1)
                times[name] += found if turn >= WARM_UPS else []
    fresh_ms, old_ms = (statistics.median(times[name]) for name in ("fresh", "old"))
    return {
        "runs_in_storage": runs_in_storage,
        "filled_in_s": round(fill_s, 1),
        "fresh": summary(times["fresh"]),
        "old": summary(times["old"]),
        "median_growth_percent": round((old_ms / fresh_ms - 1) * 100, 1),
    }


def measure(*, jobs: int, clients: int, workers: int, history_runs: int) -> dict[str, Any]:
    """Measure both at the sizes given."""
    figures = conditions()
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as name:
        figures["load"] = load_figures(Path(name) / "load", jobs, clients, workers)
        figures["history"] = history_figures(Path(name), history_runs)
    return figures


def main() -> None:
    """Measure and write the figures down."""
    figures = measure(jobs=JOBS, clients=CLIENTS, workers=WORKERS, history_runs=HISTORY_RUNS)
    write_record("sustained", figures)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
