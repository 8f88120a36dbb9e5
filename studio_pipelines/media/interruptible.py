"""Long native calls in a way that an interrupt need not wait for.

Python runs a signal's handler in the main thread, between two of its instructions: what is canceled
or overdue stops there. So no call may keep that thread for more than two seconds. Work on arrays
goes band by band; a call into a library that cannot be cut up goes through
:func:`run_interruptibly`. ``tests/safe_points.py`` measures the gaps.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")
BAND_PIXELS = 1 << 22
_STOP_WITHIN_S = 1.0


def run_interruptibly(call: Callable[[], Result], *, stop: Callable[[], object]) -> Result:
    """Make a call in a thread of its own and wait for it.

    Args:
        call: What to do; it must let go of the interpreter's lock.
        stop: Tells the call to end early when this thread is interrupted. If it does not within a
            second, it is left to itself, and nothing waits for it.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="interruptible")
    called = pool.submit(call)
    try:
        return called.result()
    except BaseException:
        if not called.done():
            stop()
            wait((called,), timeout=_STOP_WITHIN_S)
        raise
    finally:
        pool.shutdown(wait=False)


def bands(height: int, width: int, band_pixels: int = BAND_PIXELS) -> Iterator[slice]:
    """Cut rows into slices of about as many pixels each, for one array operation at a time."""
    step = max(1, band_pixels // max(width, 1))
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))
