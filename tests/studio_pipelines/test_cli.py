"""The command ``studio`` as a process."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studio_pipelines.cli import app
from studio_pipelines.stack_processes import PROJECT_DIR

STUDIO = (sys.executable, "-c", "from studio_pipelines.cli import main; main()")


def bare_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STUDIO_") and name != "REDIS_URL"
    }


def test_help_imports_nothing_heavy() -> None:
    source = (
        "import sys, studio_pipelines.cli\n"
        "heavy = {'dagster', 'fastapi', 'httpx', 'numpy', 'pydantic', 'redis', 'torch'}\n"
        "print(*heavy & sys.modules.keys())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", source], cwd=PROJECT_DIR, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == ""


@pytest.mark.stack
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_runs_until_a_signal_and_leaves_in_order(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*STUDIO, "up", "--only", "broker,database", "--data-dir", str(tmp_path)],
        cwd=PROJECT_DIR,
        env=bare_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.strip())
        if all(any(f"{name}: ready" in told for told in lines) for name in ("broker", "database")):
            break
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert {"broker: stopped", "database: stopped"} <= set(rest.splitlines())


def test_up_refuses_what_cannot_run(tmp_path: Path) -> None:
    answer = subprocess.run(
        [*STUDIO, "up", "--only", "worker", "--data-dir", str(tmp_path)],
        cwd=PROJECT_DIR,
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "worker need a broker" in answer.stderr
    assert "Traceback" not in answer.stderr


WORKERS = [
    {
        "id": "grading-engine",
        "status": "busy",
        "vram": {"usedMiB": None, "device": "cpu", "rssMiB": 245.3},
        "queueDepth": 3,
        "currentJob": "job_1",
    },
    {"id": "audio-tts", "status": "offline", "vram": None, "queueDepth": 0, "currentJob": None},
]


@pytest.fixture
def status_url() -> Iterator[str]:
    """A server that answers with two rows in the form of the contract."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/workers/status" else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"success": True, "workers": WORKERS}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_status_shows_the_workers(status_url: str) -> None:
    result = CliRunner().invoke(app, ["status", "--url", status_url])
    assert result.exit_code == 0, result.output
    _, grading, speech = result.output.splitlines()
    assert grading.split() == ["grading-engine", "busy", "cpu", "245", "3", "job_1"]
    assert speech.split() == ["audio-tts", "offline"]


def test_status_without_a_studio_says_so() -> None:
    result = CliRunner().invoke(app, ["status", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "No studio answers at http://127.0.0.1:9" in result.output
