"""The process that workers are forked from: ``python -m`` this module, a socket's number, lanes.

It loads the operations, tells their lanes, prepares those of the wanted lanes, and then forks a
shim for each order that comes through the socket, until the socket is closed. What a fork breaks
stays out of it: threads, connections, libvips, OpenMP, CUDA (`Operation.preload`).
"""

import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import IO, NoReturn

from studio_pipelines import process_shim
from studio_pipelines.process_shim import Order

PR_SET_NAME = 15
_LONGEST_ORDER_BYTES = 1 << 16
_MOST_FDS = 8


class ForkedCommand:
    """A worker that was forked, as the shim's watch needs it."""

    def __init__(self, pid: int, output: int) -> None:
        self.pid = pid
        self.stdout: IO[bytes] | None = os.fdopen(output, "rb", buffering=0)
        self.returncode: int | None = None


def prepare(wanted: set[str] | None, door: socket.socket) -> None:
    """Load the operations, tell the lanes, and import and compile what the wanted ones need."""
    from studio_pipelines.lanes import lanes

    names = [lane.name for lane in lanes()]
    door.sendall(json.dumps(names).encode() + b"\n")
    from studio_pipelines import worker  # noqa: F401  what each of them runs
    from studio_pipelines.run_execution import preload_lane

    for name in names:
        if (wanted is None or name in wanted) and not _is_closed(door):
            try:
                preload_lane(name)
            except Exception:  # noqa: BLE001  the worker meets it again, and ends by it
                traceback.print_exc()


def serve(door: socket.socket) -> NoReturn:
    """Fork a shim for each order; the fork does not return either."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the shims
    while True:
        request, fds, *_ = socket.recv_fds(door, _LONGEST_ORDER_BYTES, _MOST_FDS)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            door.close()
            _end_with(partial(_watch_over, Order(**json.loads(request)), fds))
        for descriptor in fds:
            os.close(descriptor)


def _watch_over(order: Order, fds: list[int]) -> int:
    """Be the shim of a worker: the control pipe and the report are the first two descriptors."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for descriptor, standard in zip(fds[:2], (0, 1), strict=True):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    code = process_shim.run(order, lambda order: _start_worker(order, fds[2:]))
    sys.stdout.write(f"{code}\n")
    return code


def _start_worker(order: Order, inherited_fds: list[int]) -> ForkedCommand:
    output, output_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _end_with(partial(_be_worker, order, output_end, (output, *inherited_fds)))
    os.close(output_end)
    return ForkedCommand(pid, output)


def _be_worker(order: Order, output: int, unneeded: tuple[int, ...]) -> int:
    os.setsid()
    process_shim.bind_to_shim(order)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, standard)
    for descriptor in (nothing, output, *unneeded):
        os.close(descriptor)
    from studio_pipelines import worker

    arguments = order.command[order.command.index(worker.MODULE) + 1 :]
    _set_name(f"worker {' '.join(arguments[1::2])}")
    worker.main(arguments)
    return 0


def _end_with(work: Callable[[], int]) -> NoReturn:
    """Do a forked process's work and end it, without what is above it on the stack."""
    code = 1
    try:
        code = work()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:  # noqa: BLE001  nothing above may go on in a second process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


def _set_name(name: str) -> None:
    """Name this process as tools show it; its command line is the nursery's."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def _is_closed(door: socket.socket) -> bool:
    """Whether the supervisor is gone: an order, or nothing yet, leaves the socket open."""
    readable, _, _ = select.select([door], [], [], 0)
    return bool(readable) and not door.recv(1, socket.MSG_PEEK)


def main() -> None:
    """Prepare, then serve until the supervisor is gone."""
    gc.disable()  # it takes a fifth of an import's time, and finds nothing to free
    door = socket.socket(fileno=int(sys.argv[1]))
    wanted = set(sys.argv[2].split(",")) if sys.argv[2] else None
    prepare(wanted, door)
    serve(door)


if __name__ == "__main__":
    main()
