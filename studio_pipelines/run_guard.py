"""Watching over the run in hand: its heartbeat, a wish to cancel it, its deadline."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import redis
from dagster import DagsterRun

from resources import run_ownership, signals
from resources.run_tags import MAX_RUNTIME_TAG
from studio_pipelines.errors import StudioError

HEARTBEAT_INTERVAL_S = 1.0
_LOGGED_WITHIN_S = 0.05


class DeadlineExceeded(StudioError):
    """The job ran for longer than its deadline allows."""

    code = "deadline_exceeded"
    is_of_one_item = False


class RunGuard:
    """While a run is in hand: renews its claim, and interrupts it when asked, overdue or taken.

    Attributes:
        asked_to_cancel: Whether it was interrupted because someone asked.
        superseded: Whether it was interrupted because another process has the run now.
        undisturbed: Whether it was not interrupted at all.
    """

    def __init__(self, redis_url: str, run: DagsterRun, owner: str) -> None:
        self._redis_url = redis_url
        self._run_id = run.run_id
        self._owner = owner
        self._deadline_s = time.monotonic() + max_runtime_s(run)
        self._done = threading.Event()
        self._signalling = threading.Lock()
        self.asked_to_cancel = False
        self.superseded = False
        self.undisturbed = True
        self._thread = threading.Thread(target=self._watch, name="run-guard", daemon=True)

    def __enter__(self) -> "RunGuard":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Once this has returned no signal comes: the handlers are about to be put back.
        with self._signalling:
            self._done.set()

    def _watch(self) -> None:
        client = signals.connect(self._redis_url)
        while not self._done.is_set():
            try:
                number = self._reason_to_stop(client)
            except redis.RedisError:
                # Nobody can ask or take over while the broker is away; time still passes.
                self._done.wait(min(HEARTBEAT_INTERVAL_S, max(0.01, self._left_s)))
                number = None if self._left_s > 0 else signal.SIGALRM
            if number is not None:
                return self._signal(number)
        return None

    @property
    def _left_s(self) -> float:
        return self._deadline_s - time.monotonic()

    def _reason_to_stop(self, client: redis.Redis) -> signal.Signals | None:
        """Wait for at most a heartbeat's interval, and return the signal to send, or None."""
        if not run_ownership.renew(client, self._run_id, self._owner):
            self.superseded = True
            return signal.SIGINT
        patience_s = max(0.01, min(HEARTBEAT_INTERVAL_S, self._left_s))
        if client.blpop([signals.cancel_key(self._run_id)], patience_s):
            self.asked_to_cancel = True
            return signal.SIGINT
        return signal.SIGALRM if self._left_s <= 0 else None

    def _signal(self, number: signal.Signals) -> None:
        with self._signalling:
            if not self._done.is_set():
                self.undisturbed = False
                os.kill(os.getpid(), number)


def max_runtime_s(run: DagsterRun) -> float:
    """Return how long a run may take, in seconds."""
    return float(run.tags.get(MAX_RUNTIME_TAG, "inf"))


@contextmanager
def interrupts_set(run: DagsterRun) -> Iterator[None]:
    """While a run is in hand SIGINT interrupts it and SIGALRM ends it as overdue.

    Dagster takes an interruption that nobody asked for as the end of the worker, and has the run
    resumed; so the deadline is an error of its own, which the op raises like any other. Errors in
    a logger's handlers are swallowed there (Dagster stores events in one), so it waits for those.
    """

    def on_deadline(_number: int, frame: FrameType | None) -> None:
        if _is_logging(frame):
            signal.setitimer(signal.ITIMER_REAL, _LOGGED_WITHIN_S)
            return
        raise DeadlineExceeded(
            f"The job took longer than its limit of {max_runtime_s(run):g} s.",
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
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in kept.items():
            signal.signal(number, handler)


def _is_logging(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") == logging.__name__:
            return True
        frame = frame.f_back
    return False
