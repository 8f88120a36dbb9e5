"""Executing one Dagster run inside the worker's warm child process."""

import gc
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import redis
import structlog
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import DagsterEvent
from dagster._grpc.impl import core_execute_run
from dagster._utils.hosted_user_process import recon_job_from_origin

from resources import (
    job_figures,
    key_usage,
    run_events,
    run_ownership,
    signals,
    waiting_line,
)
from resources.job_figures import JobKind
from resources.job_metrics import JobTimes, record_job
from resources.launcher import line_of
from resources.run_tags import OPERATION_TAG, TAKEN_AT_TAG, waits_since_s
from studio_pipelines.catalogue import chains, operations, working_on
from studio_pipelines.errors import DeadlineExceeded
from studio_pipelines.inner_op import InnerOp
from studio_pipelines.instance import batched_events, open_instance
from studio_pipelines.memory_release import MemoryRelease, keep_for_good
from studio_pipelines.operation import Operation
from studio_pipelines.outcome import OUTCOME_EVENT_TYPES, outcome_of
from studio_pipelines.run_following import followed
from studio_pipelines.run_guard import RunGuard, interrupts_set
from studio_pipelines.run_tracing import run_span
from studio_pipelines.worker_name import WorkerName
from studio_pipelines.worker_state import InHand

log = structlog.get_logger(__name__)


def preload_lane(lane: str) -> None:
    """Import and compile what a lane's jobs need, in a process that will be forked."""
    gc.disable()  # it takes a fifth of an import's time, and finds nothing to free
    from studio_pipelines import definitions  # noqa: F401  every run resolves its job in it

    for op in _ops_of(lane):
        if op.preload is not None:
            op.preload()
    keep_for_good()
    gc.enable()


def _ops_of(lane: str) -> list[Operation | InnerOp]:
    """Return what runs in a lane: its operations, and the ops of its chains."""
    own = [one for one in operations().values() if one.lane == lane]
    joined = [op for chain in chains().values() if chain.lane == lane for op in chain.ops.values()]
    return list(dict.fromkeys([*own, *joined]))


@dataclass
class RunWork:
    """One run in the hands of this process, and when things happened to it, in Unix time."""

    run: DagsterRun
    owner: str
    created_s: float
    taken_s: float
    started_s: float | None = None

    @property
    def operation(self) -> str | None:
        """The operation, or None for what Dagster does for itself, such as retention."""
        return self.run.tags.get(OPERATION_TAG)


class RunExecutor:
    """Runs runs, one after the other, and tells Redis what it has in hand."""

    def __init__(self, redis_url: str, name: WorkerName) -> None:
        self._redis_url = redis_url
        self._worker = name

    @cached_property
    def _instance(self) -> DagsterInstance:
        return open_instance()

    @cached_property
    def _memory(self) -> MemoryRelease:
        return MemoryRelease()

    @property
    def _redis(self) -> redis.Redis:
        return signals.connect(self._redis_url)

    def preload(self) -> None:
        """Import what the lane needs, in the process that will be forked."""
        preload_lane(self._worker.lane)

    def warm_up(self) -> None:
        """Connect and start what is this process's own: the first run is as fast as the next."""
        signals.connect.cache_clear()
        self._instance.get_runs_count()
        for op in _ops_of(self._worker.lane):
            if op.warm_up is not None:
                op.warm_up()
        keep_for_good()
        self._memory  # noqa: B018  what it has now is what it comes back to
        InHand().tell(self._redis, self._worker)

    def execute(self, run_id: str, *, resume: bool) -> None:
        """Execute a run to its end and publish how it ended.

        A run that has ended, or that another process answers for, is passed over.
        """
        record = self._instance.get_run_record_by_id(run_id)
        if record is None or record.dagster_run.is_finished:
            return
        work = RunWork(
            record.dagster_run,
            owner=self._worker.owner(os.getpid()),
            created_s=waits_since_s(record.dagster_run.tags, record.create_timestamp.timestamp()),
            taken_s=time.time(),
        )
        if not self._claim(work):
            return
        InHand(run_id, work.operation or "", work.taken_s).tell(self._redis, self._worker)
        try:
            # A task delivered again after its worker died finds its run started.
            self._execute(work, resume=resume or work.run.status is DagsterRunStatus.STARTED)
            self._memory.after_run()
        finally:
            # Whatever went wrong: what is not in hand any more is found by its missing heartbeat.
            InHand().tell(self._redis, self._worker)

    def _execute(self, work: RunWork, *, resume: bool) -> None:
        published = False
        guard = RunGuard(self._redis_url, work.run, work.owner)
        try:
            with (
                followed(self._instance, work.run, self._redis_url),
                interrupts_set(work.run),
                guard,
                run_span(self._instance, work.run),
            ):
                for outcome in self._outcomes(work, resume=resume):
                    if guard.undisturbed:
                        # Told before the run's resources are put away: somebody waits.
                        self._publish(work, outcome)
                        published = True
        except (KeyboardInterrupt, DagsterExecutionInterruptedError, DeadlineExceeded):
            log.info("run interrupted", run_id=work.run.run_id)
            # Wherever the interrupt struck: no connection with half an exchange is used again.
            self._redis.connection_pool.disconnect(inuse_connections=False)
        finally:
            if guard.asked_to_cancel:
                self._settle_canceled(work.run.run_id)
            if not published and not guard.superseded:
                self._publish(work, self._stored_outcome(work.run.run_id))

    def _claim(self, work: RunWork) -> bool:
        """Take the run for this process; with the broker away it is taken on trust."""
        run_id = work.run.run_id
        try:
            waiting_line.leave(self._redis, *line_of(work.run), run_id)
            return run_ownership.claim(self._redis, run_id, work.owner)
        except redis.RedisError as error:
            log.warning("run not claimed", run_id=run_id, error=str(error))
            return True

    def _settle_canceled(self, run_id: str) -> None:
        """End a canceled run that Dagster left open, as it may when it was just starting."""
        run = self._instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            self._instance.report_run_canceled(run)

    def _outcomes(self, work: RunWork, *, resume: bool) -> Iterator[dict[str, Any]]:
        """Execute the run, and give its outcome as soon as its end is stored."""
        run = work.run
        assert run.job_code_origin is not None
        job = recon_job_from_origin(run.job_code_origin)
        told: list[DagsterEvent] = []
        tags = {TAKEN_AT_TAG: f"{work.taken_s:.6f}"}
        with batched_events(self._instance, run.run_id, tags) as batch:
            for event in core_execute_run(
                job, run, self._instance, inject_env_vars=False, resume_from_failure=resume
            ):
                if event.event_type is DagsterEventType.RUN_START:
                    work.started_s = time.time()
                if event.event_type is DagsterEventType.STEP_START:
                    self._tell_step(work, event.step_key)
                if event.event_type not in OUTCOME_EVENT_TYPES:
                    continue
                told.append(event)
                # After a resumption what earlier steps told is in storage alone.
                if not resume and not batch.end_was_refused and (outcome := outcome_of(told)):
                    yield outcome

    def _tell_step(self, work: RunWork, step: str | None) -> None:
        """Tell which operation a chain has come to, for the workers' status."""
        if work.operation is not None and work.operation in chains():
            doing = working_on(work.operation, step)
            name = doing.name if doing else work.operation
            in_hand = InHand(work.run.run_id, work.operation, work.taken_s, step=name)
            in_hand.tell(self._redis, self._worker)

    def _stored_outcome(self, run_id: str) -> dict[str, Any] | None:
        return outcome_of(
            record.dagster_event
            for record in self._instance.all_logs(run_id, of_type=OUTCOME_EVENT_TYPES)
            if record.dagster_event
        )

    def _publish(self, work: RunWork, outcome: dict[str, Any] | None) -> None:
        run_id = work.run.run_id
        try:
            run_ownership.release(self._redis, run_id, work.owner)
            if outcome is None:
                return
            run_events.tell(self._redis, run_id, "end", {"status": outcome["status"]})
            signals.publish_outcome(self._redis, run_id, outcome)
            if work.operation is None:
                return
            times = JobTimes(work.created_s, time.time(), work.taken_s, work.started_s)
            record_job(self._redis, work.operation, outcome["status"], times)
            key_usage.spend_seconds(self._redis, work.run.tags, times.ended_s - work.taken_s)
            if outcome["status"] == "completed":
                duration_s = times.ended_s - work.taken_s
                waiting_line.learn_duration(self._redis, work.operation, duration_s)
                kind = JobKind.of(work.run.tags, outcome["data"])
                job_figures.learn(self._redis, kind, duration_s, outcome["data"])
        except redis.RedisError as error:
            # Those who wait find the end in Dagster's storage.
            log.warning("outcome not published", run_id=run_id, error=str(error))
