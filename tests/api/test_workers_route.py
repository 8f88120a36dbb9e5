"""``GET /api/workers/status`` with a live worker."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from running_studio import RunningStudio, eventually

from api.routes.workers import models_of
from resources.model_shelf import ModelShelf
from studio_pipelines.catalogue import ROSTER
from studio_pipelines.model_shelf import DECLARATIONS

pytestmark = pytest.mark.stack


def test_there_is_a_row_for_each_worker(studio: RunningStudio) -> None:
    answer = studio.client.get("/api/workers/status").json()
    assert answer["success"] is True
    assert [row["id"] for row in answer["workers"]] == [
        *(worker.id for worker in ROSTER),
        "file-copier",
    ]
    for row in answer["workers"][:-1]:
        assert row["status"] == "offline"
        assert row["ready"] is False
        assert row["route"].startswith("/api/")


def test_the_row_of_a_live_worker_is_fresh_and_true(studio: RunningStudio) -> None:
    eventually(lambda: studio.row()["status"] == "ready")
    row = studio.row()
    assert row["ready"] is True
    assert row["lane"] == "test"
    assert row["queueDepth"] == 0
    assert row["currentJob"] is None
    assert row["host"] == os.uname().nodename
    worker = studio.process("worker-test")
    assert row["pid"] in {child.pid for child in worker.children()}
    rss_mib = psutil.Process(row["pid"]).memory_info().rss / 2**20
    assert row["rssMiB"] == pytest.approx(rss_mib, rel=0.3)
    if row["vram"]["device"] == "cpu":
        assert {row["vram"][name] for name in ("usedMiB", "peakMiB", "totalMiB")} == {None}
    assert all(_age_ms(studio) < 2000 for _ in range(10))


def _age_ms(studio: RunningStudio) -> int:
    time.sleep(0.15)
    return studio.row()["heartbeatAgeMs"]


def test_a_worker_at_work_is_busy_and_what_waits_is_counted(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    running = studio.begin(image, secondsTaken=30)
    studio.job_once(running, "processing")
    waiting = [studio.begin(image, priority=priority) for priority in (1, 9)]
    eventually(lambda: studio.row()["currentJob"] == running, timeout_s=3)
    row = studio.row()
    assert row["status"] == "busy"
    assert row["ready"] is True
    assert row["queueDepth"] == 2
    studio.client.post(f"/api/jobs/{running}/cancel")
    for job_id in waiting:
        studio.job_once(job_id, "completed")
    eventually(lambda: studio.row()["status"] == "ready", timeout_s=3)
    assert studio.row()["queueDepth"] == 0


def test_a_worker_killed_while_idle_is_replaced(studio: RunningStudio, pixel_png: bytes) -> None:
    eventually(lambda: studio.row()["status"] == "ready")
    killed = studio.row()["pid"]
    os.kill(killed, signal.SIGKILL)
    image = studio.upload(pixel_png)
    studio.job_once(studio.begin(image), "completed")
    assert studio.copy(image).status_code == 200
    # The row tells of the last heartbeat, which may be a second old.
    eventually(lambda: studio.row()["status"] == "ready" and studio.row()["pid"] != killed)


def test_the_rows_tell_which_models_are_on_the_disk(studio: RunningStudio) -> None:
    shelf = ModelShelf(Path(studio.stack.env["STUDIO_MODELS_DIR"]), (DECLARATIONS,))
    told = {
        row["worker"]: row["models"]
        for row in studio.client.get("/api/operations").json()["operations"]
    }
    assert told["file-copier"] == []
    (spleeter,) = (one for one in told["audio-demixer"] if one["name"] == "spleeter-2stems")
    assert spleeter["licence"] == "MIT"
    assert spleeter["embedded"] is True
    assert (spleeter["state"] == "on_disk") == (shelf.installed("spleeter-2stems") is not None)
    for worker, models in told.items():
        assert models == shelf.rows(worker)
        assert studio.row(worker)["models"] == models


def test_a_loaded_model_is_in_the_row_of_the_worker_that_it_serves() -> None:
    declared = {
        "audio-demixer": [{"name": "stems", "state": "on_disk", "licence": "MIT"}],
        "audio-tts": [{"name": "voice", "state": "absent", "licence": "Apache-2.0"}],
    }
    loaded = [{"name": name, "state": "loaded", "MiB": 7.0} for name in ("stems", "unheard-of")]
    assert models_of("audio-demixer", declared, loaded) == [
        {"name": "stems", "state": "loaded", "licence": "MIT", "MiB": 7.0},
        {"name": "unheard-of", "state": "loaded", "MiB": 7.0},
    ]
    assert models_of("audio-tts", declared, loaded) == [
        {"name": "voice", "state": "absent", "licence": "Apache-2.0"},
        {"name": "unheard-of", "state": "loaded", "MiB": 7.0},
    ]
