"""dagster-celery out of the box, in the three ways that work: the peers of ``bench.latency``.

- *Default launcher and Celery executor*, which is what its documentation sets up: a code server
  starts a process for each run, and that process makes a Celery task of each step.
- *Celery launcher*, in-process executor: the run is one task, whose worker starts a process for it.
- *Celery executor* driven from a process that is warm already: the least that it can take.

The Celery launcher together with the Celery executor fails: Celery forbids a task to wait for
another. All use dagster-celery's own worker, and the broker and the database of a running stack.
``DefaultRunCoordinator`` spares them Dagster's own queue, which is the default and takes longer.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from dagster import DagsterInstance, execute_job
from dagster._core.definitions.reconstruct import reconstructable
from dagster._core.definitions.selector import JobSubsetSelector
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster_graphql.implementation.execution.run_lifecycle import create_valid_pipeline_run
from dagster_graphql.implementation.utils import ExecutionMetadata, ExecutionParams

from bench.stock_jobs import run_in_celery, steps_in_celery
from studio_pipelines.stack import Stack

PROJECT_DIR = Path(__file__).parent.parent
REPOSITORY = "__repository__"
LONGEST_RUN_S = 60
POLL_S = 0.02


@contextmanager
def stock_worker(stack: Stack) -> Iterator[None]:
    """Run dagster-celery's own worker on the stack's broker and database."""
    home = _write_home(stack, "stock-worker", {})
    redis_url = stack.env["STUDIO_REDIS_URL"]
    (home / "dagster_celery_config.py").write_text(
        f"broker_url = result_backend = {redis_url!r}\nworker_prefetch_multiplier = 1\n"
    )
    env = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PYTHONPATH": os.pathsep.join((str(home), str(PROJECT_DIR))),
    }
    command = (*("-m", "celery", "-A", "dagster_celery.app", "worker"), "--concurrency=2")
    with (home / "worker.log").open("w") as log:
        worker = subprocess.Popen([sys.executable, *command], env=env, stdout=log, stderr=log)
        try:
            yield
        finally:
            worker.terminate()
            worker.wait()


@contextmanager
def default_launcher(stack: Stack) -> Iterator[Callable[[], None]]:
    """Give what runs a job through a code server, Dagster's launcher and the Celery executor."""
    home = _write_home(stack, "stock-default", {})
    target = ModuleTarget("bench.stock_jobs", "defs", str(PROJECT_DIR), "stock")
    with (
        DagsterInstance.from_config(str(home)) as instance,
        WorkspaceProcessContext(instance, target) as workspace,
    ):
        selector = JobSubsetSelector(
            location_name="stock",
            repository_name=REPOSITORY,
            job_name=steps_in_celery.name,
            op_selection=None,
        )
        order = ExecutionParams(
            selector=selector,
            run_config=_celery_config(stack),
            mode="default",
            execution_metadata=ExecutionMetadata(run_id=None, tags={}),
            step_keys=None,
        )

        def run() -> None:
            context = workspace.create_request_context()
            made = create_valid_pipeline_run(context, context.get_full_job(selector), order)
            instance.submit_run(made.run_id, context)
            _wait_for_success(instance, made.run_id)

        yield run


@contextmanager
def celery_launcher(stack: Stack) -> Iterator[Callable[[], None]]:
    """Give what runs a job through dagster-celery's launcher."""
    redis_url = stack.env["STUDIO_REDIS_URL"]
    launcher = {
        "module": "dagster_celery.launcher",
        "class": "CeleryRunLauncher",
        "config": {"broker": redis_url, "backend": redis_url},
    }
    home = _write_home(stack, "stock-launcher", {"run_launcher": launcher})
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("stock"), REPOSITORY)
    with DagsterInstance.from_config(str(home)) as instance:

        def run() -> None:
            made = instance.create_run_for_job(
                run_in_celery,
                remote_job_origin=RemoteJobOrigin(repository, run_in_celery.name),
                job_code_origin=reconstructable(run_in_celery).get_python_origin(),
            )
            instance.submit_run(made.run_id, workspace=None)  # pyright: ignore[reportArgumentType]
            _wait_for_success(instance, made.run_id)

        yield run


@contextmanager
def celery_executor(stack: Stack) -> Iterator[Callable[[], None]]:
    """Give what runs a job in this process, its step in a Celery task."""
    home = _write_home(stack, "stock-executor", {})
    with DagsterInstance.from_config(str(home)) as instance:

        def run() -> None:
            job = reconstructable(steps_in_celery)
            assert execute_job(job, instance, run_config=_celery_config(stack)).success

        yield run


def _write_home(stack: Stack, name: str, more: Mapping[str, Any]) -> Path:
    """Write the ``dagster.yaml`` of an instance on the stack's database."""
    home = stack.data_dir / name
    home.mkdir(exist_ok=True)
    instance = {
        "storage": {"postgres": {"postgres_url": stack.env["STUDIO_DATABASE_URL"]}},
        "run_coordinator": {
            "module": "dagster._core.run_coordinator",
            "class": "DefaultRunCoordinator",
        },
        "telemetry": {"enabled": False},
        **more,
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
    return home


def _celery_config(stack: Stack) -> dict[str, Any]:
    redis_url = stack.env["STUDIO_REDIS_URL"]
    return {"execution": {"config": {"broker": redis_url, "backend": redis_url}}}


def _wait_for_success(instance: DagsterInstance, run_id: str) -> None:
    deadline_s = time.monotonic() + LONGEST_RUN_S
    while (found := instance.get_run_by_id(run_id)) and not found.is_finished:
        assert time.monotonic() < deadline_s, f"still {found.status}"
        time.sleep(POLL_S)
    assert found
    assert found.is_success, found.status
