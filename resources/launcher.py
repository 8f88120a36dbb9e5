"""Launching runs: one Celery task a run, executed in a worker process that is already warm.

dagster-celery's own launcher starts a new interpreter for each run and its executor polls once a
second; a trivial run then takes seconds. Here the task's body runs Dagster's in-process executor
inside the worker, and the run itself stays an ordinary Dagster run.
"""

from typing import Any

import redis
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.launcher import (
    CheckRunHealthResult,
    LaunchRunContext,
    ResumeRunContext,
    WorkerStatus,
)
from dagster_celery.launcher import CeleryRunLauncher
from typing_extensions import override

from resources import signals
from resources.broker import make_celery, send_run
from resources.run_tags import PRIORITY_TAG, QUEUE_TAG

QUEUED_HEARTBEAT_TTL_S = 24 * 3600
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
        self._send(context.dagster_run, resume=False)

    @override
    def resume_run(self, context: ResumeRunContext) -> None:
        self._send(context.dagster_run, resume=True)

    def _send(self, run: DagsterRun, *, resume: bool) -> None:
        # Written before the task: a worker may take it before this call returns.
        self._signals.set(signals.heartbeat_key(run.run_id), "queued", ex=QUEUED_HEARTBEAT_TTL_S)
        send_run(
            self.celery,
            run.run_id,
            queue=run.tags.get(QUEUE_TAG, self.default_queue),
            priority=min(9, max(0, int(run.tags.get(PRIORITY_TAG, 5)))),
            resume=resume,
        )

    @override
    def terminate(self, run_id: str) -> bool:
        """Stop a run wherever it is; a run that no worker has taken ends at once."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if run.status in NOT_TAKEN:
            self._instance.report_run_canceled(run)
            signals.publish_outcome(self._signals, run_id, {"status": "canceled"})
        else:
            self._instance.report_run_canceling(run)
        # Told last: Dagster resumes a run whose interruption it finds nobody to have asked for.
        signals.request_cancel(self._signals, run_id)
        return True

    @override
    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        if self._signals.exists(signals.heartbeat_key(run.run_id)):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The worker's heartbeat stopped.")
