"""Making Dagster runs and queueing them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import redis
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, MetadataValue
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.errors import DagsterRunAlreadyExists
from dagster._core.events import EngineEventData
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from kombu.exceptions import OperationalError

from api.recipes import RECIPE_METADATA
from resources import run_events
from resources.launcher import begin, is_scheduled
from resources.run_events import STREAM_TTL_S
from resources.signals import broker_faults
from resources.tracing import inject
from studio_pipelines.database_faults import DatabaseUnavailable
from studio_pipelines.definitions import defs

LOCATION = "studio"
REPOSITORY = "__repository__"
# Whoever makes a run queues it at once; one that is not queued by then has lost its maker.
QUEUED_WITHIN_S = 15.0


@dataclass(frozen=True)
class RunPlan:
    """A run that is to be made.

    Attributes:
        job: Name of the Dagster job.
        config: Its run config.
        tags: Its tags beyond those of the job.
        recipe: How its results are made, or None where that is not known.
        not_before: When it is to be queued; None is at once.
    """

    job: str
    config: Mapping[str, Any]
    tags: Mapping[str, str]
    recipe: Mapping[str, Any] | None
    not_before: datetime | None = None


class RunMaker:
    """Makes runs, each wholly or not at all."""

    def __init__(self, instance: DagsterInstance, client: redis.Redis) -> None:
        self._instance = instance
        self._client = client

    def make(self, plan: RunPlan, run_id: str) -> bool:
        """Make the run of this id, and queue it unless it is to wait for its time.

        Returns:
            Whether there was none of this id already.

        Raises:
            BrokerUnavailable: The task could not be queued; the run is gone again.
            DatabaseUnavailable: The run could not be recorded.
        """
        origins = _origins(plan.job)
        try:
            run = self._instance.create_run_for_job(
                origins.job,
                run_id=run_id,
                run_config=plan.config,
                tags={**origins.job.tags, **plan.tags, **inject()},
                remote_job_origin=origins.remote,
                job_code_origin=origins.code,
            )
        except DagsterRunAlreadyExists:
            return False
        with broker_faults():
            try:
                self._tell_recipe(run, plan.recipe)
                if plan.not_before is None:
                    begin(self._instance, run)
                else:
                    self._tell_scheduled(run_id, plan.not_before)
            except (OperationalError, redis.RedisError):
                self._instance.delete_run(run_id)
                raise
            except DatabaseUnavailable:
                with suppress(DatabaseUnavailable):  # it went between two statements
                    self._instance.delete_run(run_id)
                raise
        return True

    def exists(self, run_id: str) -> bool:
        """Whether there is such a run; one whose maker died before it was queued is queued now.

        Raises:
            BrokerUnavailable: Its task could not be queued.
        """
        record = self._instance.get_run_record_by_id(run_id)
        if record is None:
            return False
        run = record.dagster_run
        age_s = (datetime.now(UTC) - record.create_timestamp.astimezone(UTC)).total_seconds()
        is_left = run.status is DagsterRunStatus.NOT_STARTED and not is_scheduled(run)
        if is_left and age_s > QUEUED_WITHIN_S:
            with broker_faults():
                begin(self._instance, run)
        return True

    def _tell_recipe(self, run: DagsterRun, recipe: Mapping[str, Any] | None) -> None:
        """Keep a recipe with its run, in the log: Postgres indexes no tag of more than 2.7 kB."""
        if recipe is not None:
            told = EngineEventData({RECIPE_METADATA: MetadataValue.json(dict(recipe))})
            self._instance.report_engine_event("How the results are made.", run, told)

    def _tell_scheduled(self, run_id: str, until: datetime) -> None:
        told = {"status": "scheduled"}
        wait_s = (until - datetime.now(UTC)).total_seconds()
        run_events.tell(self._client, run_id, "status", told, kept_s=STREAM_TTL_S + wait_s)


@dataclass(frozen=True)
class _Origins:
    job: Any
    remote: RemoteJobOrigin
    code: Any


@cache
def _origins(name: str) -> _Origins:
    """Return a job and where it comes from, for workers to find it and for the UI to show it."""
    pointer = ModuleCodePointer("studio_pipelines.definitions", "defs", None)
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), REPOSITORY)
    code = ReconstructableRepository(pointer).get_reconstructable_job(name).get_python_origin()
    job = defs.get_repository_def().get_job(name)
    return _Origins(job, RemoteJobOrigin(repository, name), code)
