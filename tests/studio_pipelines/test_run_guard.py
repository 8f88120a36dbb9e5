"""A deadline ends what is at work, wherever its signal strikes."""

import logging
import os
import signal
import time

import pytest
from dagster import DagsterRun

from resources.run_tags import MAX_RUNTIME_TAG
from studio_pipelines.run_guard import DeadlineExceeded, interrupts_set


class Swallowing(logging.Handler):
    """As Dagster's: what is raised while a message is stored is told, and goes no further."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.kill(os.getpid(), signal.SIGALRM)
            time.sleep(0.01)
        except Exception:  # noqa: BLE001  as the one that this stands for
            self.swallowed = True


@pytest.fixture
def overdue() -> DagsterRun:
    return DagsterRun(job_name="a", tags={MAX_RUNTIME_TAG: "1"})


def test_a_deadline_is_an_error_of_the_work(overdue: DagsterRun) -> None:
    with interrupts_set(overdue), pytest.raises(DeadlineExceeded, match="limit of 1 s"):
        os.kill(os.getpid(), signal.SIGALRM)
        time.sleep(5)


def test_a_deadline_is_not_lost_in_a_logger(overdue: DagsterRun) -> None:
    log = logging.Logger("work")
    log.addHandler(handler := Swallowing())
    with interrupts_set(overdue), pytest.raises(DeadlineExceeded):
        log.info("stage")
        time.sleep(5)
    assert not hasattr(handler, "swallowed")


def test_none_comes_once_the_work_is_done(overdue: DagsterRun) -> None:
    log = logging.Logger("work")
    log.addHandler(Swallowing())
    with interrupts_set(overdue):
        log.info("last words")
    time.sleep(0.2)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
