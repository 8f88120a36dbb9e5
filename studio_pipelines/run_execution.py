"""Executing one Dagster run inside the worker's warm child process."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import redis
import structlog
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import DagsterEvent
from dagster._grpc.impl import core_execute_run
from dagster._utils.hosted_user_process import recon_job_from_origin

from resources import signals
from resources.run_tags import MAX_RUNTIME_TAG, OPERATION_TAG
from studio_pipelines.catalogue import operations
from studio_pipelines.errors import StudioError
from studio_pipelines.instance import open_instance
from studio_pipelines.memory_release import keep_for_good, release_memory
from studio_pipelines.outcome import OUTCOME_EVENT_TYPES, outcome_of
from studio_pipelines.worker_beat import WorkerName

HEARTBEAT_INTERVAL_S = 1.0
log = structlog.get_logger(__name__)


class DeadlineExceeded(StudioError):
    """The job ran for longer than its deadline allows."""

    code = "deadline_exceeded"


class RunExecutor:
    """Runs runs, one after the other, and tells Redis what it has in hand."""

    def __init__(self, redis_url: str, name: WorkerName) -> None:
        self._redis_url = redis_url
        self._worker = name

    @cached_property
    def _instance(self) -> DagsterInstance:
        return open_instance()

    @property
    def _redis(self) -> redis.Redis:
        return signals.connect(self._redis_url)

    def warm_up(self) -> None:
        """Import what the lane needs and connect, so that the first run is as fast as the next."""
        signals.connect.cache_clear()
        self._instance.get_runs_count()
        for operation in operations().values():
            if operation.lane == self._worker.lane and operation.warm_up is not None:
                operation.warm_up()
        keep_for_good()
        self._in_hand("", "")

    def execute(self, run_id: str, *, resume: bool) -> None:
        """Execute a run to its end, unless it has ended already, and publish how it ended."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return
        # A task delivered again after its worker died finds its run started.
        resume = resume or run.status is DagsterRunStatus.STARTED
        self._in_hand(run_id, run.tags.get(OPERATION_TAG, ""))
        told: list[DagsterEvent] = []
        guard = RunGuard(self._redis_url, run)
        try:
            with _handlers_set(run), guard:
                told = self._events(run, resume=resume)
        except (KeyboardInterrupt, DagsterExecutionInterruptedError, DeadlineExceeded):
            log.info("run interrupted", run_id=run_id)
        finally:
            if guard.asked_to_cancel:
                self._settle_canceled(run_id)
            self._in_hand("", "")
            self._publish(run_id, told)
        release_memory()

    def _settle_canceled(self, run_id: str) -> None:
        """End a canceled run that Dagster left open, as it may when it was just starting."""
        run = self._instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            self._instance.report_run_canceled(run)

    def _events(self, run: DagsterRun, *, resume: bool) -> list[DagsterEvent]:
        assert run.job_code_origin is not None
        job = recon_job_from_origin(run.job_code_origin)
        events = core_execute_run(
            job, run, self._instance, inject_env_vars=False, resume_from_failure=resume
        )
        return [event for event in events if event.event_type in OUTCOME_EVENT_TYPES]

    def _publish(self, run_id: str, told: list[DagsterEvent]) -> None:
        outcome = outcome_of(told) or outcome_of(
            record.dagster_event
            for record in self._instance.all_logs(run_id, of_type=OUTCOME_EVENT_TYPES)
            if record.dagster_event
        )
        try:
            self._redis.delete(signals.heartbeat_key(run_id))
            if outcome:
                signals.publish_outcome(self._redis, run_id, outcome)
        except redis.RedisError as error:
            # Those who wait find the end in Dagster's storage.
            log.warning("outcome not published", run_id=run_id, error=str(error))

    def _in_hand(self, run_id: str, operation: str) -> None:
        state: dict[str, str | int] = {"pid": os.getpid(), "run_id": run_id, "operation": operation}
        try:
            self._redis.hset(self._worker.in_hand_key, mapping=state)  # pyright: ignore[reportArgumentType]
        except redis.RedisError as error:
            log.warning("state not told", error=str(error))


class RunGuard:
    """While a run is in hand: renews its heartbeat, and interrupts it when asked or overdue.

    Attributes:
        asked_to_cancel: Whether it was interrupted because someone asked.
    """

    def __init__(self, redis_url: str, run: DagsterRun) -> None:
        self._redis_url = redis_url
        self._run_id = run.run_id
        self._deadline_s = time.monotonic() + _max_runtime_s(run)
        self._done = threading.Event()
        self._signalling = threading.Lock()
        self.asked_to_cancel = False
        self._thread = threading.Thread(target=self._watch, name="run-guard", daemon=True)

    def __enter__(self) -> "RunGuard":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Once this has returned no signal comes: the handlers are about to be put back.
        with self._signalling:
            self._done.set()

    def _watch(self) -> None:
        client = redis.Redis.from_url(self._redis_url, socket_timeout=10)
        while not self._done.is_set():
            try:
                heartbeat = signals.heartbeat_key(self._run_id)
                client.set(heartbeat, os.getpid(), ex=signals.RUN_HEARTBEAT_TTL_S)
                left_s = self._deadline_s - time.monotonic()
                wish = client.blpop(
                    [signals.cancel_key(self._run_id)], max(0.01, min(HEARTBEAT_INTERVAL_S, left_s))
                )
            except redis.RedisError:
                self._done.wait(HEARTBEAT_INTERVAL_S)
                continue
            if wish:
                self.asked_to_cancel = True
                return self._signal(signal.SIGINT)
            if time.monotonic() >= self._deadline_s:
                return self._signal(signal.SIGALRM)
        return None

    def _signal(self, number: signal.Signals) -> None:
        with self._signalling:
            if not self._done.is_set():
                os.kill(os.getpid(), number)


def _max_runtime_s(run: DagsterRun) -> float:
    return float(run.tags.get(MAX_RUNTIME_TAG, "inf"))


@contextmanager
def _handlers_set(run: DagsterRun) -> Iterator[None]:
    """While a run is in hand SIGINT interrupts it and SIGALRM ends it as overdue.

    Dagster takes an interruption that nobody asked for as the end of the worker, and has the run
    resumed; so the deadline is an error of its own, which the op raises like any other.
    """

    def on_deadline(_number: int, _frame: object) -> None:
        raise DeadlineExceeded(
            f"The job took longer than its limit of {_max_runtime_s(run):g} s.",
            field="timeoutSeconds",
            hint="Give it longer with timeoutSeconds, or a smaller input.",
        )

    touched = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    kept = {number: signal.getsignal(number) for number in touched}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, on_deadline)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
