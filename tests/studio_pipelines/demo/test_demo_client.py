"""The demo's client against a real HTTP server that answers as the contract says."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio_pipelines.demo.client import DemoFailed, StudioClient

Answer = tuple[int, dict[str, Any] | bytes]


class Studio(ThreadingHTTPServer):
    """Answers each path with the next of its answers, and keeps what was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.bodies: list[bytes] = []


class Handler(BaseHTTPRequestHandler):
    server: Studio

    def do_GET(self) -> None:
        status, answer = self.server.answers[self.path].pop(0)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = "application/problem+json" if status >= 400 else "application/json"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.do_GET()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def studio() -> Iterator[Studio]:
    with Studio() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server
        server.shutdown()


@pytest.fixture
def client(studio: Studio) -> Iterator[StudioClient]:
    with httpx.Client(base_url=f"http://127.0.0.1:{studio.server_port}") as http:
        yield StudioClient(http)


def job(status: str, percent: float = 0, **more: Any) -> dict[str, Any]:
    progress = {"percent": percent, "stage": status}
    return {"success": True, "jobId": "job_1", "status": status, "progress": progress, **more}


def test_upload_streams_the_file(studio: Studio, client: StudioClient, tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(range(256)) * 8000)
    studio.answers = {"/api/assets": [(201, {"id": "ast_7"})]}
    assert client.upload(path) == "asset:ast_7"
    assert studio.bodies == [path.read_bytes()]


def test_a_background_job_is_followed_to_its_end(studio: Studio, client: StudioClient) -> None:
    studio.answers = {
        "/api/x/y": [(202, job("queued"))],
        "/api/jobs/job_1": [
            (200, job("queued")),
            (200, job("processing", 40)),
            (200, job("completed", 100, data={"url": "u"})),
        ],
    }
    seen: list[float] = []
    data = client.run_in_background("/api/x/y", {"a": 1}, lambda percent, _: seen.append(percent))
    assert data == {"url": "u"}
    assert seen == [0, 40, 100]
    assert json.loads(studio.bodies[0]) == {"a": 1, "async": True}


def test_a_synchronous_job_that_outlasts_its_call_is_followed(
    studio: Studio, client: StudioClient
) -> None:
    studio.answers = {
        "/api/x/y": [(202, job("processing"))],
        "/api/jobs/job_1": [(200, job("completed", 100, data={"url": "u"}))],
    }
    assert client.run("/api/x/y", {}, lambda *_: None) == {"url": "u"}


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_job_without_a_result_is_told(studio: Studio, client: StudioClient, status: str) -> None:
    studio.answers = {
        "/api/x/y": [(202, job("queued"))],
        "/api/jobs/job_1": [(200, job(status, error={"message": "it was no song"}))],
    }
    with pytest.raises(DemoFailed, match=f"/api/x/y: the job {status}: it was no song"):
        client.run_in_background("/api/x/y", {}, lambda *_: None)


def test_a_problem_is_told_in_its_own_words(
    studio: Studio, client: StudioClient, tmp_path: Path
) -> None:
    studio.answers = {
        "/api/x/y": [(501, {"detail": "not built yet"})],
        "/gone": [(404, {"detail": "no such asset"})],
    }
    with pytest.raises(DemoFailed, match="/api/x/y: the studio answered 501: not built yet"):
        client.run("/api/x/y", {}, lambda *_: None)
    with pytest.raises(DemoFailed, match="404: no such asset"):
        client.download({"url": "/gone"}, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_download_is_the_assets_bytes(
    studio: Studio, client: StudioClient, tmp_path: Path
) -> None:
    studio.answers = {"/asset": [(200, bytes(100_000))]}
    path = client.download({"url": "/asset"}, tmp_path / "x")
    assert path.read_bytes() == bytes(100_000)
