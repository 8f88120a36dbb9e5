"""Keep a set of processes running: in order, logged, restarted, and stopped without orphans.

Why this is ours and no library's: ``docs/decisions/0002-process-supervision.md``.
"""

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from pathlib import Path

from studio_pipelines.nursery import Nursery
from studio_pipelines.supervised_process import ProcessSpec, ProcessStatus, SupervisedProcess

GIVE_UP_AFTER_FAILED_STARTS = 3


class ProcessStartError(RuntimeError):
    """A process did not become ready; the message ends with the last lines of its log."""


class Supervisor:
    """Runs processes from a thread of its own.

    Processes start as soon as those that they name in ``after`` are ready, and end in the reverse
    order. One that dies is started again with exponential backoff.

    Args:
        log_dir: Existing folder for ``<name>.log``.
        inherited_fds: File descriptors that stay open until the last process is gone, even when
            the supervisor is killed: a locked file shows by them that the stack still runs.
            They are the supervisor's from here on.
    """

    def __init__(self, log_dir: Path, *, inherited_fds: tuple[int, ...] = ()) -> None:
        self._log_dir = log_dir
        self._nurseries: list[Nursery] = []
        self._inherited_fds = list(inherited_fds)
        self._processes: dict[str, SupervisedProcess] = {}
        self._loop = asyncio.new_event_loop()
        self._stop_asked = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="supervisor", daemon=True)
        self._thread.start()

    def start(self, specs: Sequence[ProcessSpec]) -> None:
        """Start processes, beside those that run already; returns at once.

        A name in ``after`` that is not among the processes is not waited for.
        """
        asyncio.run_coroutine_threadsafe(self._add(specs), self._loop).result()

    def keep(self, nursery: Nursery) -> None:
        """End a nursery together with the processes."""
        self._nurseries.append(nursery)

    def stop(self) -> None:
        """End everything and wait until the last process is gone. Safe to call again."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop_asked.set)
            for nursery in self._nurseries:  # first: whoever waits to be forked need not be
                nursery.close()
            self._thread.join()
        while self._inherited_fds:
            os.close(self._inherited_fds.pop())

    def status(self) -> tuple[ProcessStatus, ...]:
        """The state of every process, in the order given."""
        return tuple(process.status() for process in self._processes.values())

    def wait_ready(self, names: Collection[str] | None = None, *, timeout_s: float = 180.0) -> None:
        """Block until the named processes (by default all) have been ready once.

        Raises:
            ProcessStartError: One died three times before it answered, or time is up.
        """
        waited_for = [self._processes[name] for name in names or self._processes]
        deadline_s = time.monotonic() + timeout_s
        while missing := [process for process in waited_for if not process.became_ready.is_set()]:
            for process in self._processes.values():
                if process.died_before_ready(GIVE_UP_AFTER_FAILED_STARTS):
                    raise _failure(process, "stopped again and again while starting")
            if time.monotonic() > deadline_s:
                raise _failure(missing[0], f"did not answer within {timeout_s:g} s")
            time.sleep(0.02)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run_until_stopped())

    async def _run_until_stopped(self) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            await self._stop_asked.wait()
            for process in self._processes.values():
                self._tasks.create_task(self._end_in_order(process))

    async def _add(self, specs: Sequence[ProcessSpec]) -> None:
        added = [
            SupervisedProcess(spec, self._log_dir / f"{spec.name}.log", tuple(self._inherited_fds))
            for spec in specs
        ]
        self._processes |= {process.spec.name: process for process in added}
        for process in added:
            self._tasks.create_task(self._run_in_order(process))

    async def _run_in_order(self, process: SupervisedProcess) -> None:
        for needed in process.spec.after:
            if needed in self._processes:
                await _first_of(self._processes[needed].became_ready, self._stop_asked)
        await process.keep_running()

    async def _end_in_order(self, process: SupervisedProcess) -> None:
        for other in self._processes.values():
            if process.spec.name in other.spec.after:
                await other.ended.wait()
        process.stop()


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _failure(process: SupervisedProcess, reason: str) -> ProcessStartError:
    lines = last_lines(process.log_path)
    return ProcessStartError(f"{process.spec.name} {reason}. The end of its log:\n{lines}")


def last_lines(log_path: Path, count: int = 20) -> str:
    """The end of a log file, or an empty string where there is none."""
    try:
        with log_path.open(errors="replace") as log:
            return "".join(deque(log, maxlen=count))
    except FileNotFoundError:
        return ""
