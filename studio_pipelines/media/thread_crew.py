"""Threads that share a compiled loop, in pieces short enough for an interrupt to wait for."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType


class ThreadCrew:
    """A context in which loops run on several threads, always the same ones."""

    def __init__(self, threads: int | None = None) -> None:
        """Take the threads; by default one for each core that this process may use."""
        self.threads = threads or len(os.sched_getaffinity(0))
        # A pool starts its threads with its first piece: of one alone it starts none.
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="crew")

    def __enter__(self) -> "ThreadCrew":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        # The piece in hand ends by itself; those that wait are dropped.
        self._pool.shutdown(wait=True, cancel_futures=True)

    def share(self, count: int, piece: int, loop: Callable[[int, int], object]) -> None:
        """Run ``loop(start, stop)`` over 0 to ``count``.

        Args:
            count: How often the loop goes round.
            piece: How many rounds one call may do: at most a few tenths of a second's work. The
                loop has to let go of the interpreter's lock.
            loop: Does its rounds, and touches no other's result.
        """
        starts = range(0, count, piece)
        if len(starts) <= 1 or self.threads == 1:
            for start in starts:
                loop(start, min(start + piece, count))
            return
        calls = [self._pool.submit(loop, start, min(start + piece, count)) for start in starts]
        for call in calls:
            call.result()
