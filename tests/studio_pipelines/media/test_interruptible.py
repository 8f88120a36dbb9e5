"""Long calls that an interrupt ends, or leaves to themselves."""

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipelines.media.interruptible import bands, run_interruptibly


class Overdue(Exception):
    """A deadline, which unlike Ctrl-C is an ordinary error."""


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    def on_signal(*_: object) -> None:
        raise Overdue

    before = signal.signal(signal.SIGUSR1, on_signal)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_call_gives_its_result_or_its_error() -> None:
    assert run_interruptibly(lambda: 42, stop=lambda: pytest.fail("stopped")) == 42
    with pytest.raises(ZeroDivisionError):
        run_interruptibly(lambda: 1 // 0, stop=lambda: pytest.fail("stopped"))


def test_any_kind_of_interrupt_stops_the_call() -> None:
    stopped = threading.Event()
    with interrupted_after(0.1), pytest.raises(Overdue):
        run_interruptibly(lambda: stopped.wait(60), stop=stopped.set)
    assert stopped.is_set()


def test_a_call_that_does_not_stop_is_left_to_itself() -> None:
    ended = threading.Event()
    with interrupted_after(0.1), pytest.raises(Overdue):
        run_interruptibly(lambda: ended.wait(60), stop=lambda: None)
    assert not ended.is_set()
    ended.set()


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 1_000_000))
def test_bands_cover_every_row_once(height: int, width: int, band_pixels: int) -> None:
    found = list(bands(height, width, band_pixels))
    rows = [row for band in found[:3] + found[-3:] for row in (band.start, band.stop)]
    assert not found or (rows[0], rows[-1]) == (0, height)
    assert all(one.stop == two.start for one, two in itertools.pairwise(found))
    assert all((band.stop - band.start) * width <= max(band_pixels, width) for band in found)
