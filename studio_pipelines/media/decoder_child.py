"""Start, watch and end the helper process in which media are parsed."""

import collections
import json
import logging
import math
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path

import studio_pipelines
from studio_pipelines.errors import MediaTooLarge, StudioError, UnsupportedMedia, UnusableMedia
from studio_pipelines.media import decoder_messages
from studio_pipelines.media.decoder_messages import Message
from studio_pipelines.media.limits import MediaLimits

_log = logging.getLogger(__name__)
_REFUSALS = {kind.code: kind for kind in (MediaTooLarge, UnsupportedMedia, UnusableMedia)}
_START_TIMEOUT_S = 60.0
_WITHOUT = {
    "landlock": "could read what its user can read",
    "seccomp": "could make any system call, such as opening a connection",
}
_STDERR_LINES, _STDERR_LINE_CHARACTERS = 40, 400
_PACKAGE_ROOT = str(Path(studio_pipelines.__file__).parent.parent)


class Refused(Exception):
    """The helper refuses a file.

    Attributes:
        error: What is wrong with the file.
    """

    def __init__(self, error: StudioError) -> None:
        super().__init__(error.message)
        self.error = error


class HelperEnded(Exception):
    """The helper ended, or answered what it should not."""


class DecoderChild:
    """One running helper and the connection to it.

    Attributes:
        connection: The socket on which :mod:`decoder_messages` pass.
        has_served: Whether it has answered a request before.
    """

    def __init__(self, limits: MediaLimits) -> None:
        """Start a helper and wait until its libraries are loaded.

        Raises:
            StudioError: The helper does not start.
        """
        self.connection, theirs = socket.socketpair()
        self.has_served = False
        self._process: subprocess.Popen[str] | None = None
        self._launched = threading.Event()
        self._last_words: collections.deque[str] = collections.deque(maxlen=_STDERR_LINES)
        # The kernel's signal for a dead parent follows the thread that started the child. So that
        # thread lives as long as the child does; it also reads its standard error and reaps it.
        self._keeper = threading.Thread(
            target=self._keep, args=(theirs, limits), name="decoder-helper", daemon=True
        )
        try:
            self._keeper.start()
            self._launched.wait()
            theirs.close()
            self.connection.settimeout(_START_TIMEOUT_S)
            ready, _ = decoder_messages.receive(self.connection)
            _tell_missing(ready["walls"])
        except (EOFError, OSError) as error:
            self.log_end()
            self.stop()
            raise StudioError("The process that decodes media could not be started.") from error
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Process id of the helper."""
        assert self._process is not None
        return self._process.pid

    @property
    def idle(self) -> bool:
        """Whether the helper runs and waits: its end, or an answer not asked for, would show."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return self._keeper.is_alive() and not poll.poll(0)

    def answer(self, deadline: float) -> Message:
        """Receive one answer; a refusal is raised as the error that it stands for.

        Args:
            deadline: Until when to wait, on the monotonic clock.

        Raises:
            Refused: The helper refuses the file, and is ready for the next.
            TimeoutError: The deadline has passed.
            EOFError: The helper has ended, or answers nonsense.
        """
        wait_s = max(deadline - time.monotonic(), 0.001)
        self._allow_cpu(wait_s)
        self.connection.settimeout(wait_s)
        message, surplus = decoder_messages.receive(self.connection)
        if surplus is not None:
            os.close(surplus)
        if "refusal" in message:
            kind = _REFUSALS[message["refusal"]]
            hint = message["hint"] and str(message["hint"])
            raise Refused(kind(str(message["message"]), hint=hint))
        return message

    def stop(self) -> None:
        """End the helper at once and wait until it is gone; harmless when it is gone already."""
        if self._process is not None:
            self._process.kill()
        self._keeper.join()
        self.connection.close()

    def abandon(self) -> None:
        """Let go of a helper that belongs to the process that this one was forked from."""
        self.connection.close()

    def log_end(self) -> None:
        """Log how a helper ended that was not told to, with the last of its standard error."""
        self._keeper.join(timeout=1.0)
        status = self._process.returncode if self._process is not None else None
        _log.warning("media decoder ended, status %s: %s", status, "\n".join(self._last_words))

    def _allow_cpu(self, wait_s: float) -> None:
        """Let the helper compute on all cores while it is waited for, and not much longer.

        Beyond that the kernel ends it, also when this process cannot.
        """
        # The clock of another process's CPU time, as clock_getcpuclockid(3) makes it.
        with suppress(OSError):  # it has ended, as the wait will show
            used_s = time.clock_gettime((~self.pid << 3) | 2)
            soft_s = math.ceil(used_s + 1 + wait_s * (os.cpu_count() or 1))
            resource.prlimit(self.pid, resource.RLIMIT_CPU, (soft_s, resource.RLIM_INFINITY))

    def _keep(self, theirs: socket.socket, limits: MediaLimits) -> None:
        try:
            process = subprocess.Popen(
                _command(theirs.fileno(), limits),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env=_environment(),
                cwd="/",
                text=True,
                errors="replace",
            )
            self._process = process
        finally:
            self._launched.set()
        assert process.stderr is not None
        with process.stderr as stderr:
            for line in iter(lambda: stderr.readline(_STDERR_LINE_CHARACTERS), ""):
                self._last_words.append(line.rstrip())
        process.wait()


def stopped() -> UnusableMedia:
    """Return the refusal of a file upon which the helper ended."""
    return UnusableMedia(
        "The file made the decoder stop: it is damaged, or needs too much memory.",
        hint="Open it in another program and export it again, smaller if it is large.",
    )


@cache
def _tell_missing_wall(name: str, consequence: str) -> None:
    _log.warning("this kernel has no %s: the process that decodes media %s", name, consequence)


def _tell_missing(walls: dict[str, bool]) -> None:
    """Log, once a process, which of the kernel's means against a hostile file are missing."""
    for name, consequence in _WITHOUT.items():
        if not walls.get(name):
            _tell_missing_wall(name, consequence)


def _command(fd: int, limits: MediaLimits) -> list[str]:
    module = "studio_pipelines.media.decoder_process"
    arguments = [str(fd), str(os.getpid()), json.dumps(asdict(limits))]
    return [sys.executable, "-s", "-P", "-m", module, *arguments]


def _environment() -> dict[str, str]:
    """A fixed, small environment: no secret of the owner reaches the helper."""
    return {
        "LANG": "C.UTF-8",
        "PYTHONPATH": _PACKAGE_ROOT,
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "2",  # each arena reserves 64 MiB of the address space
        "OPENBLAS_NUM_THREADS": "1",
        "VIPS_BLOCK_UNTRUSTED": "1",
    }
