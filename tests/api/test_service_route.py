"""Health, readiness, and what happens when the broker or the workers are away."""

import time
from collections.abc import Iterator

import psutil
import pytest
from running_studio import (
    COPY_ROUTE,
    RunningStudio,
    eventually,
    problem_in,
    running_studio,
    settings_for,
)

from studio_pipelines.embedded_servers import embedded_broker
from studio_pipelines.supervisor import Supervisor

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of a broker that no stack keeps running."""
    folder = tmp_path_factory.mktemp("own-broker")
    supervisor = Supervisor(folder)
    server = embedded_broker(folder)
    supervisor.start([server.process])
    supervisor.wait_ready()
    yield server.url, psutil.Process(supervisor.status()[0].pid)
    supervisor.stop()


@pytest.fixture(scope="module")
def bare(
    broker: tuple[str, psutil.Process], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStudio]:
    """A studio without any worker, on that broker."""
    settings = settings_for(tmp_path_factory.mktemp("bare"), redis_url=broker[0])
    with running_studio(settings, ("database", "api")) as running:
        yield running


def runs_in(studio: RunningStudio) -> int:
    import psycopg2

    connection = psycopg2.connect(studio.stack.env["STUDIO_DATABASE_URL"])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM runs")
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_it_is_alive_and_ready(studio: RunningStudio) -> None:
    assert studio.client.get("/healthz").json() == {"status": "ok"}
    assert studio.client.get("/readyz").json() == {"status": "ok", "workers": 1}
    metrics = studio.client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "process_resident_memory_bytes" in metrics.text


def test_without_a_worker_nothing_is_made(bare: RunningStudio, pixel_png: bytes) -> None:
    image = bare.upload(pixel_png)
    files, runs = bare.stored_files(), runs_in(bare)
    for answer in (
        bare.copy(image),
        bare.client.post(COPY_ROUTE, files={"image": ("one.png", pixel_png + b"another")}),
    ):
        error = problem_in(answer, 503, "workers_away")
        assert "file-copier" in error["message"]
        assert int(answer.headers["retry-after"]) > 0
    assert bare.stored_files() == files
    assert runs_in(bare) == runs
    assert bare.row()["status"] == "offline"


@pytest.mark.parametrize("state", ["hangs", "is gone"])
def test_without_the_broker_nothing_is_made(
    bare: RunningStudio, broker: tuple[str, psutil.Process], pixel_png: bytes, state: str
) -> None:
    image = bare.upload(pixel_png)
    files, runs = bare.stored_files(), runs_in(bare)
    process = broker[1]
    process.suspend() if state == "hangs" else process.kill()
    try:
        start_s = time.monotonic()
        answer = bare.copy(image)
        waited_s = time.monotonic() - start_s
        problem_in(answer, 503, "broker_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert waited_s < 6
        problem_in(bare.client.get("/api/workers/status"), 503, "broker_unavailable")
        assert bare.client.get("/readyz").status_code == 503
        # What does not need the broker goes on.
        assert bare.client.get("/healthz").status_code == 200
        assert bare.client.get(f"/api/assets/{image.removeprefix('asset:')}").content == pixel_png
        assert bare.stored_files() == files
        assert runs_in(bare) == runs
    finally:
        if process.is_running():
            process.resume()
    eventually(lambda: bare.client.get("/readyz").status_code == 200)
