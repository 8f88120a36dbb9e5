"""Launching runs: one Celery task a run, executed in a worker process that is already warm.

dagster-celery's own launcher starts a new interpreter for each run and its executor polls once a
second; a trivial run then takes seconds. Here the task's body runs Dagster's in-process executor
inside the worker, and the run itself stays an ordinary Dagster run.
"""

import time
from typing import Any, cast

import redis
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.launcher import (
    CheckRunHealthResult,
    LaunchRunContext,
    ResumeRunContext,
    WorkerStatus,
)
from dagster_celery.launcher import CeleryRunLauncher
from typing_extensions import override

from resources import run_events, run_ownership, signals, waiting_line
from resources.broker import make_celery, send_run
from resources.job_metrics import JobTimes, record_job
from resources.run_tags import (
    LANE_TAG,
    OPERATION_TAG,
    PRIORITY_TAG,
    QUEUE_TAG,
    RESUMED_TAG,
    SCHEDULED_FOR_TAG,
    waits_since_s,
)

# After a restart of the broker the workers need a moment to say that they are still there.
BROKER_SETTLES_S = 10
WORKER_LOST = "The run's worker process died each time."
NOT_TAKEN = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
)


class WarmCeleryRunLauncher(CeleryRunLauncher):
    """Sends each run as one task to the queue that its tags name."""

    def __init__(self, broker: str, **options: Any) -> None:
        super().__init__(broker=broker, **options)
        self.celery = make_celery(broker)

    @property
    def _signals(self) -> redis.Redis:
        return signals.connect(str(self.broker))

    @override
    def launch_run(self, context: LaunchRunContext) -> None:
        self.send(context.dagster_run, resume=False)

    @override
    def resume_run(self, context: ResumeRunContext) -> None:
        run = context.dagster_run
        self._instance.add_run_tags(
            run.run_id, {RESUMED_TAG: str(context.resume_attempt_number or 1)}
        )
        self.send(run, resume=True)

    def send(self, run: DagsterRun, *, resume: bool) -> None:
        """Queue a run's task; sent twice, the run is executed once all the same."""
        queue = run.tags.get(QUEUE_TAG, self.default_queue)
        # A run that lost its worker has waited its turn already.
        priority = 9 if resume else min(9, max(0, int(run.tags.get(PRIORITY_TAG, 5))))
        # Written before the task: a worker may take it before this call returns.
        run_ownership.mark_queued(self._signals, run.run_id)
        lane, operation = line_of(run)
        waiting_line.enter(
            self._signals, lane, operation, run.run_id, priority=priority, at_s=time.time()
        )
        run_events.tell(self._signals, run.run_id, "status", {"status": "queued"})
        send_run(self.celery, run.run_id, queue=queue, priority=priority, resume=resume)

    @override
    def terminate(self, run_id: str) -> bool:
        """Stop a run wherever it is; a run that no worker has taken ends at once."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if run.status in NOT_TAKEN:
            self._instance.report_run_canceled(run)
            run_events.tell(self._signals, run_id, "end", {"status": "canceled"})
            signals.publish_outcome(self._signals, run_id, {"status": "canceled"})
            waiting_line.leave(self._signals, *line_of(run), run_id)
            self._count_canceled(run)
        else:
            self._instance.report_run_canceling(run)
        # Told last: Dagster resumes a run whose interruption it finds nobody to have asked for.
        signals.request_cancel(self._signals, run_id)
        return True

    def _count_canceled(self, run: DagsterRun) -> None:
        record = self._instance.get_run_record_by_id(run.run_id)
        if record is not None:
            now_s = time.time()
            since_s = waits_since_s(run.tags, record.create_timestamp.timestamp())
            times = JobTimes(now_s if is_scheduled(run) else since_s, now_s)
            record_job(self._signals, line_of(run)[1], "canceled", times)

    @override
    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        try:
            if run_ownership.holder(self._signals, run.run_id) is not None:
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            uptime_s = cast(dict[str, int], self._signals.info("server"))["uptime_in_seconds"]
        except redis.RedisError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The broker is away: nothing known.")
        if uptime_s < BROKER_SETTLES_S:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The broker has just come back.")
        return CheckRunHealthResult(WorkerStatus.FAILED, "The worker's heartbeat stopped.")

    @override
    def get_run_worker_debug_info(
        self, run: DagsterRun, include_container_logs: bool | None = True
    ) -> str | None:
        # Dagster ends its message with this when it gives a run up; the job's record reads it.
        return WORKER_LOST


def begin(instance: DagsterInstance, run: DagsterRun) -> None:
    """Queue a run that has been made; one that was canceled meanwhile stays so.

    What `DagsterInstance.launch_run` does with half the statements; and a run whose task cannot be
    queued is not failed, but waits until it is found stranded.

    Raises:
        redis.RedisError, kombu.exceptions.OperationalError: The broker does not answer.
    """
    kind = DagsterEventType.PIPELINE_STARTING.value
    instance.report_dagster_event(DagsterEvent(kind, run.job_name), run.run_id)
    stored = instance.get_run_by_id(run.run_id)
    launcher = instance.run_launcher
    assert isinstance(launcher, WarmCeleryRunLauncher)
    if stored is not None and not stored.is_finished:
        launcher.send(stored, resume=False)


def is_scheduled(run: DagsterRun) -> bool:
    """Whether a run waits for its time, and has not been queued."""
    return run.status is DagsterRunStatus.NOT_STARTED and SCHEDULED_FOR_TAG in run.tags


def line_of(run: DagsterRun) -> tuple[str, str]:
    """Return the lane that a run waits for, and its operation."""
    queue = run.tags.get(QUEUE_TAG, "")
    return run.tags.get(LANE_TAG, queue), run.tags.get(OPERATION_TAG, queue)
