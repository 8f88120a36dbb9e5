"""Runs that wait in a real broker: what tests of the launcher and of its rescuer share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance, DagsterRun
from dagster._core.definitions.reconstruct import reconstructable
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)


@dg.job
def nothing() -> None:
    """A job without ops."""


@contextmanager
def launching_instance(broker_url: str, folder: Path) -> Iterator[DagsterInstance]:
    """Open an instance of its own that launches runs as the studio does."""
    overrides = {
        "run_launcher": {
            "module": "resources.launcher",
            "class": "WarmCeleryRunLauncher",
            "config": {"broker": broker_url},
        },
        "run_coordinator": {
            "module": "dagster._core.run_coordinator",
            "class": "DefaultRunCoordinator",
        },
    }
    with dg.instance_for_test(overrides=overrides, temp_dir=str(folder)) as instance:
        yield instance


def create(instance: DagsterInstance, **tags: str) -> DagsterRun:
    """Create a run of no ops, with these tags."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("studio"), "__repository__")
    return instance.create_run_for_job(
        nothing,
        tags=tags,
        remote_job_origin=RemoteJobOrigin(repository, "nothing"),
        job_code_origin=reconstructable(nothing).get_python_origin(),
    )


def launch(instance: DagsterInstance, **tags: str) -> DagsterRun:
    """Create a run and queue it."""
    return instance.submit_run(create(instance, **tags).run_id, workspace=None)
