"""The supervisor with real child processes."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from studio_pipelines.supervised_process import (
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    ProcessSpec,
    ProcessState,
    ProcessStatus,
    backoff_s,
)
from studio_pipelines.supervisor import ProcessStartError, Supervisor

WAIT_S = 15.0


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    running = Supervisor(tmp_path)
    yield running
    running.stop()


def python(name: str, source: str, **options: object) -> ProcessSpec:
    return ProcessSpec(name=name, command=(sys.executable, "-c", source), **options)


def eventually(holds: Callable[[], object], timeout_s: float = WAIT_S) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come to be in time"
        time.sleep(0.02)


def only_status(supervisor: Supervisor) -> ProcessStatus:
    (status,) = supervisor.status()
    return status


def alive(marker: str) -> list[psutil.Process]:
    """Processes whose command line holds the marker, but for this one."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or ())
        if marker in line and process.pid != os.getpid():
            found.append(process)
    return found


@pytest.mark.parametrize(("failures", "expected_s"), [(1, 0.5), (2, 1.0), (4, 4.0), (50, 30.0)])
def test_backoff_doubles_up_to_its_bound(failures: int, expected_s: float) -> None:
    assert backoff_s(failures) == expected_s
    assert FIRST_BACKOFF_S <= backoff_s(failures) <= LONGEST_BACKOFF_S


def test_process_runs_logs_and_stops(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([python("one", "print('hello', flush=True); import time; time.sleep(60)")])
    supervisor.wait_ready()
    pid = only_status(supervisor).pid
    eventually(lambda: "hello" in (tmp_path / "one.log").read_text())

    supervisor.stop()

    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert only_status(supervisor).state is ProcessState.STOPPED


def test_killed_process_is_started_again(supervisor: Supervisor) -> None:
    supervisor.start([python("one", "import time; time.sleep(60)")])
    supervisor.wait_ready()
    first = only_status(supervisor).pid
    assert first is not None

    os.kill(first, signal.SIGKILL)

    eventually(lambda: only_status(supervisor).restarts == 1 and only_status(supervisor).pid)
    assert only_status(supervisor).pid != first


def test_descendants_of_a_dead_process_are_gone_before_it_starts_again(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    marker = f"marker-{tmp_path.name}"
    source = f"""
        import subprocess, sys, time
        for detached in (False, True):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", {marker!r}],
                             start_new_session=detached)
        time.sleep(60)
    """
    supervisor.start([python("one", textwrap.dedent(source))])
    eventually(lambda: len([p for p in alive(marker) if p.cmdline()[-1] == marker]) == 2)
    first = only_status(supervisor).pid
    helpers = [p for p in alive(marker) if p.cmdline()[-1] == marker]

    os.kill(first, signal.SIGKILL)

    eventually(lambda: not any(helper.is_running() for helper in helpers))


def test_a_process_waits_for_what_it_names_and_ends_before_it(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    trace = tmp_path / "trace"

    async def gate_is_open() -> bool:
        return gate.exists()

    def traced(name: str) -> str:
        return (
            "import signal, sys, time\n"
            f"def end(*_):\n open({str(trace)!r}, 'a').write({name!r} + '\\n'); sys.exit()\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "print('up', flush=True); time.sleep(60)"
        )

    supervisor.start(
        [
            python("server", traced("server"), ready=gate_is_open),
            python("client", traced("client"), after=("server",)),
        ]
    )
    eventually(lambda: "up" in log_of(tmp_path, "server"))
    assert supervisor.status()[1].state is ProcessState.WAITING
    gate.touch()
    eventually(lambda: "up" in log_of(tmp_path, "client"))

    supervisor.stop()

    assert trace.read_text().split() == ["client", "server"]


def log_of(log_dir: Path, name: str) -> str:
    path = log_dir / f"{name}.log"
    return path.read_text() if path.exists() else ""


def test_a_process_that_ignores_the_stop_signal_is_killed(supervisor: Supervisor) -> None:
    source = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(60)"
    supervisor.start([python("stubborn", source, stop_grace_s=0.3)])
    supervisor.wait_ready()
    time.sleep(0.3)
    pid = only_status(supervisor).pid
    assert pid is not None

    supervisor.stop()

    assert not psutil.pid_exists(pid)


def test_start_that_fails_again_and_again_is_told_with_its_log(supervisor: Supervisor) -> None:
    async def never() -> bool:
        return False

    supervisor.start([python("broken", "raise SystemExit('no such planet')", ready=never)])
    with pytest.raises(ProcessStartError, match=r"broken stopped again and again.*\n.*planet"):
        supervisor.wait_ready()


def test_program_that_does_not_exist_is_told(supervisor: Supervisor, tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    missing = str(tmp_path / "missing")
    supervisor.start([ProcessSpec(name="missing", command=(missing,), ready=never)])
    with pytest.raises(ProcessStartError, match="could not start"):
        supervisor.wait_ready()


def test_stop_while_starting_leaves_nothing(tmp_path: Path) -> None:
    marker = f"marker-{tmp_path.name}"
    for _ in range(5):
        supervisor = Supervisor(tmp_path)
        supervisor.start([python(f"p{i}", f"import time; time.sleep(60) # {marker}") for i in "ab"])
        supervisor.stop()
        assert alive(marker) == []


def test_log_is_rotated_by_size(tmp_path: Path) -> None:
    from studio_pipelines.process_shim import RotatingLog

    log = RotatingLog(tmp_path / "a.log", 100)
    for _ in range(25):
        log.write(b"ten bytes\n")

    assert (tmp_path / "a.log").stat().st_size == 50
    assert (tmp_path / "a.log.1").stat().st_size == 100


def test_an_inherited_descriptor_stays_open_while_processes_run(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    supervisor = Supervisor(tmp_path, inherited_fds=(theirs.detach(),))
    supervisor.start([python("one", "import time; time.sleep(60)")])
    supervisor.wait_ready()
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(1)

    supervisor.stop()

    assert ours.recv(1) == b""


SUPERVISE_UNTIL_KILLED = """
import sys, threading, time
from pathlib import Path
from studio_pipelines.supervised_process import ProcessSpec
from studio_pipelines.supervisor import Supervisor

marker, log_dir = sys.argv[1:]
leaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
tree = f'''
import subprocess, sys, time
for detached in (False, True):
    subprocess.Popen([sys.executable, "-c", {leaf!r}, {marker!r}], start_new_session=detached)
print("planted", flush=True)
time.sleep(60)
'''
supervisor = Supervisor(Path(log_dir))
supervisor.start([
    ProcessSpec(name=name, command=(sys.executable, "-c", tree, marker), stop_grace_s=0.5)
    for name in ("one", "two")
])
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_nothing_outlives_a_supervisor_that_dies(tmp_path: Path, number: signal.Signals) -> None:
    marker = f"marker-{tmp_path.name}-{number.name}"
    host = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE_UNTIL_KILLED, marker, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    eventually(lambda: all("planted" in log_of(tmp_path, name) for name in ("one", "two")))
    # The host, two shims, two commands and two leaves of each.
    assert len(alive(marker)) >= 7

    host.send_signal(number)
    host.wait()

    eventually(lambda: alive(marker) == [])


def test_a_killed_shim_takes_its_process_along(supervisor: Supervisor) -> None:
    supervisor.start([python("one", "import time; time.sleep(60)")])
    supervisor.wait_ready()
    process = psutil.Process(only_status(supervisor).pid)

    process.parent().kill()

    eventually(lambda: not process.is_running())
    eventually(lambda: only_status(supervisor).restarts == 1)
