"""A database that goes away and comes back: told at once, nothing half-made, no restart needed."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from asset_store_check import leftovers, wrong_answers
from running_studio import (
    COPY_ROUTE,
    RunningStudio,
    eventually,
    problem_in,
    running_studio,
    settings_for,
)

from studio_pipelines.embedded_servers import embedded_database
from studio_pipelines.supervisor import Supervisor

pytestmark = pytest.mark.stack
UNKNOWN_JOB = "job_" + "0" * 32


class Database:
    """A Postgres that is started and killed by hand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        server = embedded_database(folder)
        if server is None:
            pytest.skip("there is no Postgres wheel for this machine")
        self._server = server
        self.url = server.url
        self.start()

    def start(self) -> None:
        self._supervisor = Supervisor(self._folder)
        self._supervisor.start([self._server.process])
        self._supervisor.wait_ready()

    def stop(self) -> None:
        self._supervisor.stop()

    def kill(self) -> None:
        """Kill it as a crash would; its supervisor starts it again."""
        psutil.Process(self._supervisor.status()[0].pid).kill()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(tmp_path_factory.mktemp("own-database"))
    yield database
    database.stop()


@pytest.fixture(scope="module")
def own_studio(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStudio]:
    settings = settings_for(tmp_path_factory.mktemp("studio"), database_url=database.url)
    only = ("broker", "worker-test", "api", "dagster-daemon")
    with running_studio(settings, only) as running:
        yield running


def count_of_runs(url: str) -> int:
    import psycopg2

    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM runs")
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_without_its_database_the_service_says_so_and_comes_back(
    own_studio: RunningStudio, database: Database, pixel_png: bytes
) -> None:
    client, image = own_studio.client, own_studio.upload(pixel_png)
    done = own_studio.copy(image).json()["jobId"]
    # A worker stores the last of a run after it has told how it ended.
    eventually(lambda: own_studio.row()["status"] == "ready")
    files, runs = own_studio.stored_files(), count_of_runs(database.url)
    api, child = own_studio.process("api"), own_studio.row()["pid"]
    database.stop()
    routes: list[Callable[[], httpx.Response]] = [
        lambda: client.get(f"/api/jobs/{done}"),
        lambda: client.get(f"/api/jobs/{UNKNOWN_JOB}"),
        lambda: client.post(f"/api/jobs/{done}/cancel"),
        lambda: own_studio.copy(image),
        lambda: client.post(COPY_ROUTE, files={"image": pixel_png}),
    ]
    for ask in routes:
        answer = ask()
        problem_in(answer, 503, "database_unavailable")
        assert answer.headers["retry-after"]
        assert answer.elapsed.total_seconds() < 5
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (503, {"status": "database away"})
    # What does not need it works on.
    assert client.get("/healthz").status_code == 200
    assert own_studio.row()["status"] == "ready"
    assert client.get(f"/api/assets/{image.removeprefix('asset:')}").content == pixel_png
    assert own_studio.stored_files() == files
    database.start()
    assert own_studio.job(done)["status"] == "completed"
    assert count_of_runs(database.url) == runs
    assert own_studio.copy(image).json()["status"] == "completed"
    assert own_studio.process("api") == api
    assert own_studio.row()["pid"] == child
    assert wrong_answers(own_studio.assets_dir) == leftovers(own_studio.assets_dir) == []


def stopped_for(seconds: float) -> Callable[[Database], None]:
    def outage(database: Database) -> None:
        database.stop()
        time.sleep(seconds)
        database.start()

    return outage


# Dagster itself gives a connection up after eleven seconds.
OUTAGES = {"killed": Database.kill, "a second": stopped_for(1.0), "long": stopped_for(14.0)}


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_run_outlives_its_database(
    own_studio: RunningStudio, database: Database, pixel_png: bytes, outage: str
) -> None:
    image = own_studio.upload(pixel_png)
    child = own_studio.row()["pid"]
    job_id = own_studio.begin(image, secondsTaken=2.0)
    own_studio.job_once(job_id, "processing")
    OUTAGES[outage](database)

    def ended() -> dict[str, Any] | None:
        answer = own_studio.client.get(f"/api/jobs/{job_id}")
        assert answer.status_code in (200, 503)
        return answer.json() if answer.json().get("status") in ("completed", "failed") else None

    assert eventually(ended, timeout_s=60)["status"] == "completed"
    assert own_studio.row()["pid"] == child
    assert len(assets_of_job(own_studio, job_id)) == 1
    assert wrong_answers(own_studio.assets_dir) == leftovers(own_studio.assets_dir) == []
    assert own_studio.copy(image).json()["status"] == "completed"


def test_a_call_that_waits_is_not_failed_by_an_outage(
    own_studio: RunningStudio, database: Database, pixel_png: bytes
) -> None:
    """Its job is taken: it hears of the end, or that the job goes on."""
    image = own_studio.upload(pixel_png)
    # A heartbeat of the job before may still say busy.
    eventually(lambda: own_studio.row()["status"] == "ready")
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(own_studio.copy, image, secondsTaken=2.0)
        eventually(lambda: own_studio.row()["status"] == "busy")
        database.kill()
        answer = answered.result()
    assert answer.status_code in (200, 202), answer.text
    job_id = answer.json()["jobId"]
    ended = eventually(lambda: own_studio.client.get(f"/api/jobs/{job_id}").json().get("data"))
    assert ended["url"]


def is_in_work(studio: RunningStudio, job_id: str | None) -> bool:
    return job_id is not None and studio.job(job_id)["status"] == "processing"


def assets_of_job(studio: RunningStudio, job_id: str) -> list[Path]:
    return [
        path
        for path in (studio.assets_dir / "assets").iterdir()
        if json.loads(path.read_bytes())["job_id"] == job_id
    ]
