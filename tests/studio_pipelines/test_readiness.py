"""Readiness checks against real servers."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from resources.signals import WorkerBeat, connect, publish_beat
from studio_pipelines.embedded_servers import embedded_broker, free_port
from studio_pipelines.readiness import (
    ReadinessCheck,
    broker_answers,
    database_accepts,
    http_answers,
    worker_takes_work,
)
from studio_pipelines.supervisor import Supervisor


def passes(check: ReadinessCheck) -> bool:
    async def ask() -> bool:
        return await check()

    return asyncio.run(ask())


@pytest.fixture
def http_url() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/readyz" else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_http_answers_only_with_200(http_url: str) -> None:
    assert passes(http_answers(f"{http_url}/readyz"))
    assert not passes(http_answers(f"{http_url}/other"))


def test_nothing_that_is_not_there_is_ready() -> None:
    port = free_port()
    assert not passes(http_answers(f"http://127.0.0.1:{port}/"))
    assert not passes(broker_answers(f"redis://:secret@127.0.0.1:{port}/0"))
    assert not passes(database_accepts(f"postgresql://postgres@127.0.0.1:{port}/postgres"))
    assert not passes(worker_takes_work(f"redis://:secret@127.0.0.1:{port}/0", "image"))


@pytest.fixture
def broker_url(tmp_path: Path) -> Iterator[str]:
    broker = embedded_broker(tmp_path)
    supervisor = Supervisor(tmp_path)
    supervisor.start([broker.process])
    supervisor.wait_ready()
    yield broker.url
    supervisor.stop()


def beat(state: str, pid: int, *, lane: str = "image", host: str | None = None) -> WorkerBeat:
    host = host or socket.gethostname()
    return WorkerBeat(
        name=f"{lane}@{host}",
        lane=lane,
        state=state,
        pid=pid,
        host=host,
        beat_at_s=time.time(),
        rss_mib=1.0,
    )


@pytest.mark.stack
def test_worker_takes_work_once_it_is_warm(broker_url: str) -> None:
    check = worker_takes_work(broker_url, f"image@{socket.gethostname()}")
    client = connect(broker_url)
    absent_pid = 2**22 + 1
    for other in (
        beat("ready", os.getpid(), lane="audio"),
        beat("ready", os.getpid(), host="elsewhere"),
        beat("starting", os.getpid()),
        beat("ready", absent_pid),
    ):
        publish_beat(client, other)
        assert not passes(check)
    publish_beat(client, beat("ready", os.getpid()))
    assert passes(check)
    client.close()


@pytest.mark.stack
def test_broker_with_another_password_is_not_ours(broker_url: str) -> None:
    assert passes(broker_answers(broker_url))
    stranger = broker_url.replace("redis://:", "redis://:x")
    assert not passes(broker_answers(stranger))
