"""Which job answers an order: one under the same key, one of the same recipe, or a new one."""

import uuid
from dataclasses import dataclass

import redis

from api.earlier_jobs import EarlierJobs
from api.errors import IdempotencyConflict
from api.job_allowances import JobAllowances
from api.job_order import JobOrder
from api.job_schedule import Schedule
from api.recipes import Recipe
from api.run_making import RunMaker, RunPlan
from resources import telemetry
from resources.job_figures import input_size
from resources.run_tags import INPUT_SIZE_TAG, RECIPE_TAG, job_id_of
from resources.signals import broker_faults
from resources.submission_claims import Claim, SubmissionClaims, SubmissionKey
from resources.webhook_log import WebhookLog
from studio_pipelines.jobs import job_name


@dataclass(frozen=True)
class Submitted:
    """The job that answers a request.

    Attributes:
        job_id: Its public id.
        is_new: Whether it was made for this request.
        cached: Whether it was made for an earlier request that asked for the same.
        schedule: What it waits for if it is new; None where it has been queued.
    """

    job_id: str
    is_new: bool = True
    cached: bool = False
    schedule: Schedule | None = None


@dataclass(frozen=True)
class OrderTaking:
    """Takes orders, each of which comes to one job however often it is sent."""

    claims: SubmissionClaims
    earlier: EarlierJobs
    maker: RunMaker
    webhooks: WebhookLog
    allowances: JobAllowances
    broker: redis.Redis

    def take(self, order: JobOrder, recipe: Recipe, key: SubmissionKey | None) -> Submitted:
        """Return the job of an order, and count it; see :meth:`JobSubmissionService.submit`."""
        submitted = self._answer(order, recipe, key)
        answered = "cache" if submitted.cached else "new job" if submitted.is_new else "key"
        self._count(order.operation.name, answered)
        return submitted

    def _answer(self, order: JobOrder, recipe: Recipe, key: SubmissionKey | None) -> Submitted:
        run_id = str(uuid.uuid4())
        if key is not None:
            with broker_faults():
                claim = self.claims.take(key, run_id)
            if known := self._claimed(claim, key):
                return known
            run_id = claim.run_id
        hashed = recipe.key(order.owner)
        size = input_size(recipe.input_bytes)
        tags = {**order.tags(), RECIPE_TAG: hashed, INPUT_SIZE_TAG: size}
        until = order.schedule.at if order.schedule else None
        name = job_name(order.operation.name)
        plan = RunPlan(name, order.run_config(), tags, recipe.document, not_before=until)
        if not (order.reuses and recipe.is_repeatable):
            return self._made(order, plan, run_id)
        with broker_faults(), self.claims.turn(hashed):
            earlier = self.earlier.find(hashed, order)
            if earlier is None:
                return self._made(order, plan, run_id)
            self._follow(order, earlier)
            is_cached = earlier != run_id  # else the same key's other request was faster
            if key is not None and is_cached:
                self.claims.point(key, earlier)
        return Submitted(job_id_of(earlier), is_new=False, cached=is_cached)

    def earlier_job(self, order: JobOrder, recipe: Recipe) -> str | None:
        """Return the job that would answer an order now, or None."""
        if not (order.reuses and recipe.is_repeatable):
            return None
        run_id = self.earlier.find(recipe.key(order.owner), order)
        return None if run_id is None else job_id_of(run_id)

    def submitted_before(self, key: SubmissionKey, operation: str) -> Submitted | None:
        """Return the job that a key stands for, or None where no job came of it so far."""
        with broker_faults():
            claim = self.claims.find(key)
        known = self._claimed(claim, key) if claim else None
        if known is not None:
            self._count(operation, "key")
        return known

    def _count(self, operation: str, answered: str) -> None:
        labels = {"operation": operation, "answered": answered}
        telemetry.count(self.broker, "studio_submissions_total", labels)

    def _claimed(self, claim: Claim, key: SubmissionKey) -> Submitted | None:
        """Return the job that a claim stands for, or None while there is none."""
        if claim.body != key.body:
            raise IdempotencyConflict(
                f"The key {key.key[:60]!r} was used for another request in the last 24 hours.",
                field="Idempotency-Key",
                hint="Take a new key for each new request.",
            )
        if not self.maker.exists(claim.run_id):
            return None
        return Submitted(job_id_of(claim.run_id), is_new=False, cached=claim.reused)

    def _made(self, order: JobOrder, plan: RunPlan, run_id: str) -> Submitted:
        # Before there is a run, so that its end cannot be missed.
        waits = order.schedule is not None
        with self.allowances.room_for(order.owner, order.limits, is_scheduled=waits) as begun:
            self._follow(order, run_id)
            # If there is a run of this id, another request with the same key was faster.
            is_new = self.maker.make(plan, run_id)
            if is_new:
                begun()
        return Submitted(job_id_of(run_id), is_new=is_new, schedule=order.schedule)

    def _follow(self, order: JobOrder, run_id: str) -> None:
        if order.webhook is not None:
            with broker_faults():
                self.webhooks.follow(run_id, order.webhook)
