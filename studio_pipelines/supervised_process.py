"""One supervised process: how it is described, started, found ready, restarted and ended.

It runs under a `process_shim`, whose control pipe is held here. Closing the pipe ends the process,
and the kernel closes it too when the supervisor dies in any way, SIGKILL included.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from studio_pipelines.nursery import ForkedShim, Nursery
from studio_pipelines.process_shim import Order
from studio_pipelines.readiness import ReadinessCheck

LOG_LIMIT_BYTES = 10 * 2**20
STABLE_AFTER_S = 30.0
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0

_SHIM = Path(__file__).with_name("process_shim.py")


class ProcessState(StrEnum):
    """Where a supervised process is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "backing off"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """A process to keep running.

    Attributes:
        name: Unique name, also that of the log file.
        command: Program and arguments.
        env: The whole environment of the process.
        cwd: Its working folder; None for the present one.
        after: Names of the processes that must be ready before this one starts.
        ready: The check that it answers; None means that running is enough.
        prepare: Work to do before every start, in a thread.
        stop_signal: Signal that asks it to end.
        stop_grace_s: Time from that signal to SIGKILL, in seconds.
        niceness: Added to its scheduling niceness.
        user: System user to run it as; None for the present one.
        url: Where a person reaches it, for the status screen.
        nursery: What forks it, where the command is a worker's; it is executed otherwise.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    cwd: Path | None = None
    after: tuple[str, ...] = ()
    ready: ReadinessCheck | None = None
    prepare: Callable[[], None] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_s: float = 5.0
    niceness: int = 0
    user: str | None = None
    url: str | None = None
    nursery: Nursery | None = None


@dataclass(frozen=True)
class ProcessStatus:
    """What can be said of a supervised process at one moment."""

    name: str
    state: ProcessState
    pid: int | None
    uptime_s: float
    restarts: int
    url: str | None


def backoff_s(failures: int) -> float:
    """Wait before restart number ``failures`` (from 1): doubling, bounded, in seconds."""
    return min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 10))


class SupervisedProcess:
    """One process with its restarts. Its coroutines belong to the supervisor's event loop."""

    def __init__(self, spec: ProcessSpec, log_path: Path, inherited_fds: tuple[int, ...]) -> None:
        self.spec = spec
        self.log_path = log_path
        self._inherited_fds = inherited_fds
        self._state = ProcessState.WAITING
        self._pid: int | None = None
        self._started_at_s = 0.0
        self._shim: asyncio.subprocess.Process | ForkedShim | None = None
        self._stop_asked = asyncio.Event()
        self.failures = 0
        self.starts = 0
        self.became_ready = asyncio.Event()
        self.ended = asyncio.Event()

    def status(self) -> ProcessStatus:
        """A snapshot; may be asked for from any thread."""
        pid = self._pid
        uptime_s = 0.0 if pid is None else time.monotonic() - self._started_at_s
        restarts = max(0, self.starts - 1)
        return ProcessStatus(self.spec.name, self._state, pid, uptime_s, restarts, self.spec.url)

    def died_before_ready(self, times: int) -> bool:
        """Whether the process has died so often without ever having been ready."""
        return self.failures >= times and not self.became_ready.is_set()

    async def keep_running(self) -> None:
        """Start the process, and start it again with backoff, until `stop` is called."""
        while not self._stop_asked.is_set():
            began_s = time.monotonic()
            await self._run_once()
            if time.monotonic() - began_s >= STABLE_AFTER_S:
                self.failures = 0
            self.failures += 1
            if not self._stop_asked.is_set():
                self._state = ProcessState.BACKING_OFF
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop_asked.wait(), backoff_s(self.failures))
        self._state = ProcessState.STOPPED
        self.ended.set()

    def stop(self) -> None:
        """Ask the process to end for good; `keep_running` returns when it has."""
        self._stop_asked.set()
        if self._shim is not None and self._shim.stdin is not None:
            self._state = ProcessState.STOPPING
            self._shim.stdin.close()

    async def _run_once(self) -> None:
        self._state = ProcessState.STARTING
        if self.spec.prepare is not None:
            await asyncio.to_thread(self.spec.prepare)
        if self._stop_asked.is_set():
            return
        self.starts += 1
        self._shim = await self._start_shim()
        assert self._shim.stdout is not None
        if self._stop_asked.is_set():
            self.stop()
        self._pid = int(await self._shim.stdout.readline() or 0) or None
        self._started_at_s = time.monotonic()
        probing = asyncio.create_task(self._probe())
        exit_code = await self._shim.wait()
        probing.cancel()
        if exit_code < 0:
            self._end_group()
        self._shim = None
        self._pid = None

    async def _start_shim(self) -> asyncio.subprocess.Process | ForkedShim:
        spec = self.spec
        order = Order(
            command=list(spec.command),
            log_path=str(self.log_path),
            log_limit_bytes=LOG_LIMIT_BYTES,
            stop_signal=int(spec.stop_signal),
            stop_grace_s=spec.stop_grace_s,
            niceness=spec.niceness,
            user=spec.user,
        )
        if spec.nursery is not None:
            return await spec.nursery.start_shim(order, self._inherited_fds)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_SHIM), json.dumps(order._asdict())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=dict(spec.env),
            cwd=spec.cwd,
            start_new_session=True,
            pass_fds=self._inherited_fds,
        )

    async def _probe(self) -> None:
        check = self.spec.ready
        while check is not None and not await check():
            waited_s = time.monotonic() - self._started_at_s
            await asyncio.sleep(0.05 if waited_s < 5 else 0.25)
        if self._pid is not None and not self._stop_asked.is_set():
            self._state = ProcessState.READY
            self.became_ready.set()

    def _end_group(self) -> None:
        """Kill what is left of the process group of a shim that was itself killed."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)
