"""Run one command of the stack: keep its log, and let nothing of it outlive it or the supervisor.

The supervisor starts this file, by path, once for every process (``python -I -S``: 35 ms, 13 MB),
with one JSON argument, the fields of `Order`. The shim is a child subreaper, so that every
descendant of the command, detached ones too, comes back to it and is killed before it exits.

Standard input is the supervisor's hand: when it closes, because the supervisor asks for a stop or
because it died, the command gets its stop signal, and after the grace period everything is killed.
Standard output carries one line, the process id of the command. A shim that is forked with its
worker (`nursery_process`) does the same, and tells the exit code in a second line.

Only the standard library is imported: a shim lives as long as the process it watches.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
COMMAND_NOT_STARTED = 127


class Order(NamedTuple):
    """What the shim is to run, and how it is to end it.

    Attributes:
        command: Program and arguments.
        log_path: File that the command's output is appended to.
        log_limit_bytes: Size at which the log moves to ``<log_path>.1``.
        stop_signal: Signal number that asks the command to end.
        stop_grace_s: Time between that signal and SIGKILL, in seconds.
        niceness: Added to the scheduling niceness of the command.
        user: System user to run the command as, or None for the present one.
    """

    command: list[str]
    log_path: str
    log_limit_bytes: int
    stop_signal: int
    stop_grace_s: float
    niceness: int
    user: str | None


class RotatingLog:
    """A log file that keeps one older generation."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._open()

    def _open(self) -> None:
        self._file = self._path.open("ab", buffering=0)
        self._bytes = self._file.tell()

    def write(self, chunk: bytes) -> None:
        """Append bytes; a full disk loses lines of log, never the process."""
        if self._bytes and self._bytes + len(chunk) > self._limit_bytes:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._open()
        with contextlib.suppress(OSError):
            self._bytes += self._file.write(chunk)


def set_process_option(option: int, value: int) -> None:
    """Call prctl(2), which Linux has and macOS has not."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Command(Protocol):
    """A command that runs: its process id, its output, and, once it is known, its exit code."""

    pid: int
    stdout: IO[bytes] | None
    returncode: Any


def bind_to_shim(order: Order) -> None:
    """Bind this process, the command's, to the life of the shim that has started it."""
    os.nice(order.niceness)
    set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(order: Order) -> subprocess.Popen[bytes]:
    """Start the command as leader of its own session, bound to the life of this process."""
    return subprocess.Popen(
        order.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=order.user,
        group=order.user,
        extra_groups=None if order.user is None else [],
        preexec_fn=lambda: bind_to_shim(order),  # noqa: PLW1509 - the shim has one thread
        bufsize=0,
    )


def reap(command_pid: int) -> int | None:
    """Collect every dead child; return the wait status of the command if it is among them."""
    status_of_command = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == command_pid:
                status_of_command = status
    return status_of_command


def children() -> list[int]:
    """Process ids of the direct children of this process, zombies included."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The command's name is in parentheses and may hold blanks; state and ppid follow it.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return found


def kill_descendants(group: int) -> None:
    """Kill the command's process group, then every child that orphaned descendants become."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    while remaining := children():
        for pid in remaining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


class Watch:
    """The wait for whichever comes first: the command's end, or the order to end it."""

    def __init__(self, process: Command, order: Order, log: RotatingLog) -> None:
        assert process.stdout is not None
        self._process = process
        self._order = order
        self._log = log
        self._output = process.stdout.fileno()
        self._control = sys.stdin.fileno()
        self._wakeup, wakeup_end = os.pipe()
        os.set_blocking(wakeup_end, False)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._poll = select.poll()
        for descriptor in (self._output, self._control, self._wakeup):
            self._poll.register(descriptor, select.POLLIN)
        self._kill_at_s: float | None = None

    def until_exit(self) -> int:
        """Serve the log and the control pipe until the command is gone; return its wait status."""
        status = reap(self._process.pid)
        while status is None:
            ready = {descriptor for descriptor, _ in self._poll.poll(self._timeout_ms())}
            if self._output in ready:
                self._copy_output()
            if self._control in ready or self._asked_by_signal(ready):
                self._ask_to_end()
            if self._kill_at_s is not None and time.monotonic() >= self._kill_at_s:
                self._signal(signal.SIGKILL)
            status = reap(self._process.pid)
        return status

    def drain(self) -> None:
        """Log what the dead processes left in the pipe."""
        os.set_blocking(self._output, False)
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._output, 65536):
                self._log.write(chunk)

    def _timeout_ms(self) -> float | None:
        if self._kill_at_s is None:
            return None
        return max(20.0, (self._kill_at_s - time.monotonic()) * 1000)

    def _copy_output(self) -> None:
        chunk = os.read(self._output, 65536)
        self._log.write(chunk)
        if not chunk:
            self._poll.unregister(self._output)

    def _asked_by_signal(self, ready: set[int]) -> bool:
        if self._wakeup not in ready:
            return False
        return any(number != signal.SIGCHLD for number in os.read(self._wakeup, 512))

    def _ask_to_end(self) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(self._control)
        if self._kill_at_s is None:
            self._kill_at_s = time.monotonic() + self._order.stop_grace_s
            self._signal(self._order.stop_signal)

    def _signal(self, number: int) -> None:
        # Not Popen.send_signal: it collects the wait status, which belongs to reap.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)


def run(order: Order, start: Callable[[Order], Command]) -> int:
    """Start the command and watch over it; return its exit code, 128 + n for a signal n."""
    log = RotatingLog(Path(order.log_path), order.log_limit_bytes)
    set_process_option(PR_SET_CHILD_SUBREAPER, 1)
    try:
        process = start(order)
    except (OSError, LookupError, subprocess.SubprocessError) as error:
        log.write(f"could not start {order.command[0]}: {error}\n".encode())
        return COMMAND_NOT_STARTED
    sys.stdout.write(f"{process.pid}\n")
    sys.stdout.flush()
    watch = Watch(process, order, log)
    code = os.waitstatus_to_exitcode(watch.until_exit())
    kill_descendants(process.pid)
    watch.drain()
    process.returncode = code
    return code if code >= 0 else 128 - code


def main() -> int:
    """Run the order given as JSON, and return the exit code of ``run``."""
    return run(Order(**json.loads(sys.argv[1])), start)


if __name__ == "__main__":
    sys.exit(main())
