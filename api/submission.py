"""The only door to runs: submit, wait, look up, cancel."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from dagster import DagsterInstance

from api.earlier_jobs import EarlierJobs
from api.job_allowances import JobAllowances
from api.job_archive import JobArchive, JobFilter, no_such_job
from api.job_order import JobOrder
from api.job_records import with_timings
from api.order_taking import OrderTaking, Submitted
from api.outcomes import OutcomeListener
from api.recipes import Recipe
from api.run_making import RunMaker, RunPlan
from resources import signals
from resources.api_keys import Limits
from resources.artifacts import ArtifactStore
from resources.run_tags import (
    INPUT_SIZE_TAG,
    MAX_RUNTIME_TAG,
    OWNER_TAG,
    PRIORITY_TAG,
    RECIPE_TAG,
    RETRIED_FROM_TAG,
    job_id_of,
    owner_of,
    run_id_of,
)
from resources.submission_claims import SubmissionClaims, SubmissionKey
from resources.tracing import start_span
from resources.webhook_log import WebhookLog

DATABASE_POLL_S = 2.0


class JobSubmissionService:
    """Turns orders into Dagster runs and follows them."""

    def __init__(
        self,
        instance: DagsterInstance,
        redis_url: str,
        artifacts: ArtifactStore,
        keep_days: int = 0,
    ) -> None:
        self._instance = instance
        self._archive = JobArchive(instance, redis_url, keep_days)
        client = signals.connect(redis_url)
        self._maker = RunMaker(instance, client)
        self._webhooks = WebhookLog(client)
        self._allowances = JobAllowances(client, instance)
        self._orders = OrderTaking(
            claims=SubmissionClaims(client),
            earlier=EarlierJobs(instance, self._archive, artifacts),
            maker=self._maker,
            webhooks=self._webhooks,
            allowances=self._allowances,
            broker=client,
        )
        self._listener = OutcomeListener(redis_url)

    async def start(self) -> None:
        """Begin to listen for runs that end."""
        self._listener.start()

    async def stop(self) -> None:
        """Stop listening and close the connections to storage."""
        await self._listener.stop()
        self._instance.dispose()

    def require_database(self) -> None:
        """Raise DatabaseUnavailable where the database does not answer."""
        self._instance.has_run("")  # the cheapest statement there is

    async def submit(
        self, order: JobOrder, recipe: Recipe, key: SubmissionKey | None = None
    ) -> Submitted:
        """Return the job of an order: an earlier one where that will do, else a new one.

        Args:
            order: What is to be done.
            recipe: Its recipe.
            key: The request's idempotency key, if it has one.

        Raises:
            IdempotencyConflict: The key stands for another request.
            BrokerUnavailable: The task could not be queued; the run is gone again.
            DatabaseUnavailable: The run could not be recorded.
        """
        with start_span("submit", {"studio.operation": order.operation.name}):
            return await asyncio.to_thread(self._orders.take, order, recipe, key)

    async def submitted_before(self, key: SubmissionKey, operation: str) -> Submitted | None:
        """Return the job that a key stands for, or None where no job came of it so far.

        Args:
            key: The request's idempotency key.
            operation: Name of what the request is for.

        Raises:
            IdempotencyConflict: It stands for another request.
            BrokerUnavailable: Redis does not answer.
        """
        return await asyncio.to_thread(self._orders.submitted_before, key, operation)

    async def earlier(self, order: JobOrder, recipe: Recipe) -> str | None:
        """Return the earlier job that would answer an order, or None."""
        return await asyncio.to_thread(self._orders.earlier_job, order, recipe)

    async def wait(
        self, job_id: str, timeout_s: float, *, is_new: bool = False
    ) -> dict[str, Any] | None:
        """Wait for a job's end and return its outcome, or None when the time is up first.

        Args:
            job_id: The job.
            timeout_s: Longest wait in seconds; 0 tells only whether it has ended.
            is_new: Whether it has just been made, and storage need not be asked at once.
        """
        run_id = self._run_id(job_id)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        with self._listener.expect(run_id) as ended:
            # The end may have come before the subscription; Redis keeps word of it for an hour.
            outcome = await self._listener.recall(run_id)
            if outcome is None and not is_new:
                outcome = await asyncio.to_thread(self._archive.outcome, run_id)
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

    async def recipe(self, job_id: str) -> dict[str, Any]:
        """Return how a job's results are made.

        Raises:
            JobNotFound: There is none with this id.
            RecipeUnknown: It has none.
        """
        return await asyncio.to_thread(self._archive.recipe, self._run_id(job_id))

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

    async def owner(self, job_id: str) -> str:
        """Return whose a job is.

        Raises:
            JobNotFound: There is none with this id.
        """
        stored = await asyncio.to_thread(self._archive.stored, self._run_id(job_id))
        return owner_of(stored.dagster_run.tags)

    async def retry(self, job_id: str, limits: Limits) -> str:
        """Send a job that has ended once more, as it was, and return the new one's id.

        Args:
            job_id: The job; the new one is of the same owner.
            limits: How much may be asked for.

        Raises:
            JobNotFound: There is none with this id.
            JobGoesOn: It has not ended.
            LimitReached: It would be too much.
            BrokerUnavailable: The task could not be queued.
        """
        return await asyncio.to_thread(self._retry, self._run_id(job_id), limits)

    def _retry(self, run_id: str, limits: Limits) -> str:
        run = self._archive.ended(run_id).dagster_run
        copied = (OWNER_TAG, PRIORITY_TAG, MAX_RUNTIME_TAG, RECIPE_TAG, INPUT_SIZE_TAG)
        tags = {name: run.tags[name] for name in copied if name in run.tags}
        recipe = self._archive.kept_recipe(run_id)
        plan = RunPlan(run.job_name, run.run_config, {**tags, RETRIED_FROM_TAG: run_id}, recipe)
        new_id = str(uuid.uuid4())
        with self._allowances.room_for(owner_of(run.tags), limits) as begun:
            with signals.broker_faults():
                self._webhooks.follow_too(run_id, new_id)
            self._maker.make(plan, new_id)
            begun()
        return job_id_of(new_id)

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
        with signals.broker_faults():
            return await asyncio.to_thread(self._instance.run_launcher.terminate, run_id)

    def goes_on(self, run_id: str) -> bool:
        """Whether a run, by Dagster's id, has not ended."""
        run = self._instance.get_run_by_id(run_id)
        return run is not None and not run.is_finished

    def _run_id(self, job_id: str) -> str:
        run_id = run_id_of(job_id)
        if run_id is None:
            raise no_such_job(job_id)
        return run_id
