"""From request to result of the smallest job, beside dagster-celery out of the box, in one run.

Run: ``python -m bench.latency``. Writes ``bench/results/latency.json``. Ours is a synchronous HTTP
request that grades a picture of one pixel. The peers run one trivial op with dagster-celery's own
worker, without HTTP, on the same embedded Valkey and Postgres: its launcher (the run is one task),
and its executor (each step is a task) driven from a process that is warm already. The two together
fail with this Celery, which forbids a task to wait for another.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml
from dagster import DagsterInstance, execute_job
from dagster._core.definitions.reconstruct import reconstructable
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from PIL import Image

from bench.stock_celery_job import run_in_celery, steps_in_celery
from studio_pipelines.settings import load_settings
from studio_pipelines.stack import Stack, running_stack

RESULTS = Path(__file__).parent / "results" / "latency.json"
WARM_UPS, RUNS = 5, 30
PEER_WARM_UPS, PEER_RUNS = 1, 5
ROUTE = "/api/grading/apply"


def times_ms(work: Callable[[], object], warm_ups: int, runs: int) -> list[float]:
    """How long some work takes, each time, after a few times that do not count."""
    times: list[float] = []
    for _ in range(warm_ups + runs):
        start_s = time.perf_counter()
        work()
        times.append((time.perf_counter() - start_s) * 1e3)
    return times[warm_ups:]


def summary(times: list[float]) -> dict[str, float]:
    """The median and the 95th percentile."""
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    return {
        "runs": len(times),
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(p95, 1),
    }


def grade_times_ms(stack: Stack) -> list[float]:
    """Times of our smallest job, over HTTP."""
    picture = stack.data_dir / "one.png"
    Image.new("RGB", (1, 1), (200, 100, 50)).save(picture)
    with httpx.Client(base_url=stack.api_url, timeout=60) as client:
        asset = client.post("/api/assets", content=picture.read_bytes()).json()["id"]

        def grade() -> None:
            answer = client.post(ROUTE, json={"image": f"asset:{asset}", "exposure": 0.5})
            assert answer.status_code == 200, answer.text

        return times_ms(grade, WARM_UPS, RUNS)


@contextmanager
def stock_instance(stack: Stack) -> Iterator[DagsterInstance]:
    """Run dagster-celery's own worker on the stack's servers; give the instance it works for."""
    home = stack.data_dir / "stock"
    home.mkdir()
    redis_url = stack.env["STUDIO_REDIS_URL"]
    celery = {"broker": redis_url, "backend": redis_url}
    launcher = {
        "module": "dagster_celery.launcher",
        "class": "CeleryRunLauncher",
        "config": celery,
    }
    instance = {
        "storage": {"postgres": {"postgres_url": stack.env["STUDIO_DATABASE_URL"]}},
        "run_coordinator": {
            "module": "dagster._core.run_coordinator",
            "class": "DefaultRunCoordinator",
        },
        "run_launcher": launcher,
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
    (home / "dagster_celery_config.py").write_text(
        f"broker_url = result_backend = {redis_url!r}\nworker_prefetch_multiplier = 1\n"
    )
    project = str(Path(__file__).parent.parent)
    env = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PYTHONPATH": os.pathsep.join((str(home), project)),
    }
    command = (*("-m", "celery", "-A", "dagster_celery.app", "worker"), "--concurrency=2")
    with (home / "worker.log").open("w") as log:
        worker = subprocess.Popen([sys.executable, *command], env=env, stdout=log, stderr=log)
        try:
            with DagsterInstance.from_config(str(home)) as opened:
                yield opened
        finally:
            worker.terminate()
            worker.wait()


def launched_times_ms(instance: DagsterInstance) -> list[float]:
    """Times of the peer's launcher: from the submission to the run's end in storage."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("bench"), "__repository__")

    def launch() -> None:
        run = instance.create_run_for_job(
            run_in_celery,
            remote_job_origin=RemoteJobOrigin(repository, run_in_celery.name),
            job_code_origin=reconstructable(run_in_celery).get_python_origin(),
        )
        instance.submit_run(run.run_id, workspace=None)  # pyright: ignore[reportArgumentType]
        deadline_s = time.monotonic() + 60
        while (found := instance.get_run_by_id(run.run_id)) and not found.is_finished:
            assert time.monotonic() < deadline_s, f"still {found.status}"
            time.sleep(0.02)
        assert found
        assert found.is_success, found.status

    return times_ms(launch, PEER_WARM_UPS, PEER_RUNS)


def executed_times_ms(instance: DagsterInstance, redis_url: str) -> list[float]:
    """Times of the peer's executor, the run's own process being this one."""
    config = {"execution": {"config": {"broker": redis_url, "backend": redis_url}}}

    def execute() -> None:
        job = reconstructable(steps_in_celery)
        assert execute_job(job, instance, run_config=config).success

    return times_ms(execute, PEER_WARM_UPS, PEER_RUNS)


def main() -> None:
    """Measure all and write the figures down."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as name:
        settings = load_settings(data_dir=Path(name) / "data")
        with running_stack(settings, ("broker", "database", "worker-image", "api")) as stack:
            ours = summary(grade_times_ms(stack))
        servers = running_stack(settings, ("broker", "database"))
        with servers as stack, stock_instance(stack) as instance:
            launched = summary(launched_times_ms(instance))
            executed = summary(executed_times_ms(instance, stack.env["STUDIO_REDIS_URL"]))
    figures = {
        "cores": len(os.sched_getaffinity(0)),
        "load_average_at_start": round(load, 1),
        "one_pixel_grade_over_http": ours,
        "dagster_celery_launcher": launched,
        "dagster_celery_executor": executed,
        "ratio_to_launcher": round(launched["median_ms"] / ours["median_ms"], 1),
        "ratio_to_executor": round(executed["median_ms"] / ours["median_ms"], 1),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
