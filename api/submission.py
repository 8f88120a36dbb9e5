"""The only door to runs: submit, wait, look up, cancel."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
from dagster import DagsterInstance
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from kombu.exceptions import OperationalError

from api.errors import WorkersAway
from api.job_archive import JobArchive, JobFilter, no_such_job
from api.job_order import JobOrder
from api.job_records import with_timings
from api.outcomes import OutcomeListener
from resources import memory_readings, signals
from resources.run_tags import (
    MAX_RUNTIME_TAG,
    PRIORITY_TAG,
    RETRIED_FROM_TAG,
    job_id_of,
    run_id_of,
)
from resources.tracing import inject, start_span
from studio_pipelines.chain import LinkedChain
from studio_pipelines.database_faults import DatabaseUnavailable
from studio_pipelines.definitions import defs
from studio_pipelines.jobs import job_name
from studio_pipelines.operation import Operation

LOCATION = "studio"
REPOSITORY = "__repository__"
WORKER_FRESH_S = 10.0
DATABASE_POLL_S = 2.0


class JobSubmissionService:
    """Turns orders into Dagster runs and follows them."""

    def __init__(self, instance: DagsterInstance, redis_url: str, keep_days: int = 0) -> None:
        self._instance = instance
        self._redis_url = redis_url
        self._archive = JobArchive(instance, redis_url, keep_days)
        self._listener = OutcomeListener(redis_url)

    async def start(self) -> None:
        """Begin to listen for runs that end."""
        self._listener.start()

    async def stop(self) -> None:
        """Stop listening and close the connections to storage."""
        await self._listener.stop()
        self._instance.dispose()

    async def require_worker(self, operation: Operation | LinkedChain) -> None:
        """Make sure, before anything is made, that the broker and a worker are there.

        Raises:
            BrokerUnavailable: Redis does not answer.
            WorkersAway: No worker of the operation's lane has given a sign of life of late.
        """
        beats = await asyncio.to_thread(self.worker_beats)
        if not any(beat.lane == operation.lane for beat in beats):
            raise WorkersAway(
                f"No worker for {operation.worker} is running.",
                hint=f"Start one with `studio worker --lane {operation.lane}`, or try again soon.",
            )

    def worker_beats(self) -> list[signals.WorkerBeat]:
        """Return the beats of the workers that are alive.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        try:
            client = signals.connect(self._redis_url)
            now_s: int = client.time()[0]  # pyright: ignore[reportIndexIssue]
            beats = signals.worker_beats(client)
        except redis.RedisError as error:
            raise _broker_unavailable() from error
        return [beat for beat in beats if now_s - beat.beat_at_s < WORKER_FRESH_S]

    def require_database(self) -> None:
        """Make sure that the database answers.

        Raises:
            DatabaseUnavailable: It does not.
        """
        self._instance.has_run("")  # the cheapest statement there is

    def memory_tenants(self) -> list[memory_readings.TenantReading]:
        """Return what the processes of the workers hold of their devices."""
        try:
            return memory_readings.read_tenants(signals.connect(self._redis_url))
        except redis.RedisError as error:
            raise _broker_unavailable() from error

    def queue_depths(self, queues: list[str]) -> dict[str, int]:
        """Count the waiting tasks of each queue."""
        try:
            client = signals.connect(self._redis_url)
            return {queue: signals.queue_depth(client, queue) for queue in queues}
        except redis.RedisError as error:
            raise _broker_unavailable() from error

    async def submit(self, order: JobOrder) -> str:
        """Create the run, queue it and return its public job id.

        Raises:
            BrokerUnavailable: The task could not be queued; the run is gone again.
            DatabaseUnavailable: The run could not be recorded.
        """
        with start_span("submit", {"studio.operation": order.operation.name}):
            return await asyncio.to_thread(
                self._launch, job_name(order.operation.name), order.run_config(), order.tags()
            )

    def _launch(self, job: str, run_config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        origins = _origins(job)
        run = self._instance.create_run_for_job(
            origins.job,
            run_config=run_config,
            tags={**origins.job.tags, **tags, **inject()},
            remote_job_origin=origins.remote,
            job_code_origin=origins.code,
        )
        try:
            # What DefaultRunCoordinator does, without fetching the run twice more.
            self._instance.launch_run(run.run_id, workspace=None)  # pyright: ignore[reportArgumentType]
        except (OperationalError, redis.RedisError) as error:
            self._instance.delete_run(run.run_id)
            raise _broker_unavailable() from error
        except DatabaseUnavailable:
            with suppress(DatabaseUnavailable):  # it went between two statements
                self._instance.delete_run(run.run_id)
            raise
        return job_id_of(run.run_id)

    async def wait(self, job_id: str, timeout_s: float) -> dict[str, Any] | None:
        """Wait for a job's end and return its outcome, or None when the time is up first."""
        run_id = self._run_id(job_id)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        with self._listener.expect(run_id) as ended:
            # The end may have come before the subscription; Redis keeps word of it.
            outcome = await self._listener.recall(run_id)
            while outcome is None and (left_s := deadline_s - loop.time()) > 0:
                outcome = await ended.within(min(left_s, DATABASE_POLL_S))
                if outcome is None:
                    outcome = await asyncio.to_thread(self._archive.outcome, run_id)
        return outcome

    async def record(self, job_id: str) -> dict[str, Any]:
        """Return a job's public record.

        Raises:
            JobNotFound: There is none with this id.
        """
        return await asyncio.to_thread(self._archive.record, self._run_id(job_id))

    async def page(self, wanted: JobFilter) -> tuple[list[dict[str, Any]], str | None]:
        """Return the newest jobs of a kind, and where the next page begins.

        Raises:
            InvalidRequest: The cursor's job is gone.
        """
        return await asyncio.to_thread(self._archive.page, wanted)

    async def delete(self, job_id: str) -> None:
        """Forget a job that has ended; its assets stay.

        Raises:
            JobNotFound: There is none with this id.
            JobGoesOn: It has not ended.
        """
        await asyncio.to_thread(self._archive.delete, self._run_id(job_id))

    async def retry(self, job_id: str) -> str:
        """Send a job that has ended once more, as it was, and return the new one's id.

        Raises:
            JobNotFound: There is none with this id.
            JobGoesOn: It has not ended.
            BrokerUnavailable: The task could not be queued.
        """
        return await asyncio.to_thread(self._retry, self._run_id(job_id))

    def _retry(self, run_id: str) -> str:
        run = self._archive.ended(run_id).dagster_run
        kept = {name: run.tags[name] for name in (PRIORITY_TAG, MAX_RUNTIME_TAG)}
        return self._launch(run.job_name, run.run_config, {**kept, RETRIED_FROM_TAG: run_id})

    async def completed_data(self, job_id: str, outcome: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data of a completed job with its timings."""
        stored = await asyncio.to_thread(self._archive.stored, self._run_id(job_id))
        return with_timings(outcome["data"], stored)

    async def cancel(self, job_id: str) -> bool:
        """Ask a job to stop; return False if it had ended already.

        Raises:
            JobNotFound: There is none with this id.
            BrokerUnavailable: Redis does not answer.
        """
        run_id = self._run_id(job_id)
        await asyncio.to_thread(self._archive.stored, run_id)
        try:
            return await asyncio.to_thread(self._instance.run_launcher.terminate, run_id)
        except redis.RedisError as error:
            raise _broker_unavailable() from error

    def goes_on(self, run_id: str) -> bool:
        """Whether a run, by Dagster's id, has not ended."""
        run = self._instance.get_run_by_id(run_id)
        return run is not None and not run.is_finished

    def _run_id(self, job_id: str) -> str:
        run_id = run_id_of(job_id)
        if run_id is None:
            raise no_such_job(job_id)
        return run_id


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


def _broker_unavailable() -> signals.BrokerUnavailable:
    return signals.BrokerUnavailable(
        "The queue does not answer, so no work can be taken.", hint="Try again in a few seconds."
    )
