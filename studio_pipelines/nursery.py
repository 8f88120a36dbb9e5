"""The process that workers are forked from, as the supervisor holds it.

What workers share (Dagster, PyTorch, the compiled kernels) takes five seconds to import and half a
gigabyte, and is the same for each lane. One process does it once (`nursery_process`); a worker is a
fork of it, as is the shim that watches the worker. Neither depends on the nursery afterwards: where
it is gone, a new one is started for the next worker.

Why: ``docs/decisions/0027-workers-are-forked-from-one-process.md``.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

from studio_pipelines.process_shim import Order

_COMMAND = (sys.executable, "-m", "studio_pipelines.nursery_process")


class NurseryFailed(RuntimeError):
    """The operations cannot be loaded; the message is the end of the log."""


class ForkedShim:
    """A shim that the nursery has forked, with what the supervisor needs of a child process.

    Attributes:
        stdin: Its control pipe: closing it ends the process.
        stdout: Tells the process id, and at the end the exit code.
    """

    def __init__(self, stdin: int, stdout: asyncio.StreamReader) -> None:
        self.stdin = os.fdopen(stdin, "wb", buffering=0)
        self.stdout = stdout

    async def wait(self) -> int:
        """Return its exit code once it is gone; a negative one if it was killed."""
        told = await self.stdout.read()
        self.stdin.close()
        return int(told) if told else -signal.SIGKILL


class Nursery:
    """Starts the process, and lets it fork.

    Args:
        lanes: Lanes whose operations it prepares; None for all.
        env: Its environment, which its workers inherit.
        cwd: Its working folder, likewise.
        log_path: Where its output goes.
    """

    def __init__(
        self, lanes: Collection[str] | None, env: Mapping[str, str], cwd: Path, log_path: Path
    ) -> None:
        self._wanted = "" if lanes is None else ",".join(sorted(lanes))
        self._env = dict(env)
        self._cwd = cwd
        self._log_path = log_path
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    def lanes(self) -> list[str]:
        """Wait until the operations are loaded, and return the lanes that they have.

        Raises:
            NurseryFailed: They cannot be loaded.
        """
        with self._door.makefile("rb", buffering=0) as told:
            line = told.readline()
        if not line:
            self._process.wait()
            raise NurseryFailed(self._log_path.read_text(errors="replace")[-4000:])
        return json.loads(line)

    async def start_shim(self, order: Order, inherited_fds: tuple[int, ...]) -> ForkedShim:
        """Have a shim forked that runs a worker; return at once.

        Args:
            order: What it is to do; its command is that of a worker's module.
            inherited_fds: Descriptors that stay open as long as the shim lives.
        """
        control, control_end = os.pipe()
        report_end, report = os.pipe()
        try:
            self._ask(order, (control, report, *inherited_fds))
        finally:
            os.close(control)
            os.close(report)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(report_end, "rb", buffering=0)
        )
        return ForkedShim(control_end, reader)

    def close(self) -> None:
        """End the nursery; the workers stay."""
        with self._lock:
            self._closed = True
            self._end()

    def _ask(self, order: Order, fds: tuple[int, ...]) -> None:
        request = json.dumps(order._asdict()).encode() + b"\n"
        with self._lock:
            if self._closed:
                return
            try:
                socket.send_fds(self._door, [request], list(fds))
            except OSError:  # it was killed
                self._end()
                self._start()
                socket.send_fds(self._door, [request], list(fds))

    def _start(self) -> None:
        self._door, theirs = socket.socketpair()
        with theirs, self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                (*_COMMAND, str(theirs.fileno()), self._wanted),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                cwd=self._cwd,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def _end(self) -> None:
        self._door.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
