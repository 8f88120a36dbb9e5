"""What a person sees of the running stack."""

import io
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from studio_pipelines import status_screen
from studio_pipelines.settings import load_settings
from studio_pipelines.stack import Stack
from studio_pipelines.supervised_process import ProcessSpec, ProcessState, ProcessStatus
from studio_pipelines.supervisor import Supervisor

READY = ProcessStatus("api", ProcessState.READY, os.getpid(), 4000.0, 2, "http://127.0.0.1:8000")
WAITING = ProcessStatus("worker-image", ProcessState.WAITING, None, 0.0, 0, None)


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0.0, "0 s"), (59.9, "59 s"), (60.0, "1 min"), (3599.0, "59 min"), (18_420.0, "5 h 07 min")],
)
def test_duration_is_read_at_a_glance(duration_s: float, text: str) -> None:
    assert status_screen.duration_text(duration_s) == text


def test_memory_of_a_process_and_of_none() -> None:
    assert status_screen.family_rss_mib(os.getpid()) > 5
    assert status_screen.family_rss_mib(2**22 + 1) == 0.0


def test_table_says_everything_of_a_process() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(status_screen.status_table([READY, WAITING]))
    _, api, worker = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    for text in ("api", "ready", str(os.getpid()), "1 h 06 min", "2", "http://127.0.0.1:8000"):
        assert text in api
    assert worker.split() == ["worker-image", "waiting"]


def test_line_without_a_terminal() -> None:
    assert status_screen.status_line(WAITING) == "worker-image: waiting"
    assert status_screen.status_line(READY) == (
        f"api: ready (pid {os.getpid()}), restarted 2 times, http://127.0.0.1:8000"
    )


def test_lines_are_told_once_and_to_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = Supervisor(tmp_path)
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    supervisor.start([ProcessSpec(name="one", command=command)])
    supervisor.wait_ready()
    stack = Stack(load_settings(data_dir=tmp_path), {}, supervisor, ("Port 1 is taken.",))
    stop = threading.Event()
    threading.Timer(1.2, stop.set).start()

    status_screen.show(stack, stop)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Port 1 is taken."
    assert len(lines) == len(set(lines))
    assert lines[1].startswith("one: ready")
    assert lines[-1] == "one: stopped"


def test_screen_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    supervisor = Supervisor(tmp_path)
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    supervisor.start([ProcessSpec(name="one", command=command)])
    stop = threading.Event()
    threading.Timer(0.7, stop.set).start()
    began_s = time.monotonic()

    status_screen.show(Stack(load_settings(data_dir=tmp_path), {}, supervisor, ()), stop)

    assert time.monotonic() - began_s < 10
    shown = capsys.readouterr().out
    assert "Ctrl-C stops everything" in shown
    assert "stopped" in shown
