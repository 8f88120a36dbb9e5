"""The worker as processes: several of one lane, and one that cannot warm up."""

import subprocess
import sys
from pathlib import Path

import pytest
from running_studio import running_studio, settings_for

from studio_pipelines.catalogue import operations
from studio_pipelines.worker_name import WorkerName

pytestmark = pytest.mark.stack


def test_names_of_workers() -> None:
    assert str(WorkerName("image", "host")) == "image@host"
    assert str(WorkerName("image", "host", 2)) == "image-2@host"
    assert WorkerName("image", "host", 2).owner(7) == "image-2@host:7"


def test_two_workers_of_a_lane_share_its_jobs(tmp_path: Path, pixel_png: bytes) -> None:
    settings = settings_for(tmp_path / "studio", lane_workers={"test": 2})
    only = ("broker", "database", "worker-test", "api")
    with running_studio(settings, only) as studio:
        image = studio.upload(pixel_png)
        jobs = [studio.begin(image, secondsTaken=2) for _ in range(2)]
        for job_id in jobs:
            studio.job_once(job_id, "processing")
        row = studio.row()
        assert row["processes"] == 2
        waiting = studio.begin(image)
        assert studio.job(waiting)["queuePosition"] == 1
        for job_id in (*jobs, waiting):
            studio.job_once(job_id, "completed")
        starts = [studio.job(job_id)["startedAt"] for job_id in jobs]
        ends = [studio.job(job_id)["finishedAt"] for job_id in jobs]
        assert max(starts) < min(ends)


def test_a_child_that_cannot_warm_up_ends_the_worker() -> None:
    script = """\
import os, signal
from studio_pipelines.worker import worker_ends_on_failure
if os.fork() == 0:
    with worker_ends_on_failure():
        raise ImportError("no such codec")
signal.pause()
"""
    ended = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode < 0
    assert "ImportError: no such codec" in ended.stderr


@pytest.mark.parametrize("name", sorted(operations()))
def test_what_is_preloaded_survives_a_fork(name: str) -> None:
    """A thread, a process or a device that the parent has opened is broken in its child."""
    script = f"""\
import sys, threading
import psutil
from studio_pipelines.catalogue import operations
preload = operations()[{name!r}].preload
if preload is not None:
    preload()
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
assert not psutil.Process().children()
assert not psutil.Process().net_connections()
assert "pyvips" not in sys.modules
torch = sys.modules.get("torch")
assert torch is None or not torch.cuda.is_initialized()
loops = sys.modules.get("numba.np.ufunc.parallel")
assert loops is None or not loops._is_initialized
"""
    subprocess.run((sys.executable, "-c", script), timeout=120, check=True)


def test_a_long_job_does_not_hold_up_another_lane(tmp_path: Path, pixel_png: bytes) -> None:
    only = ("broker", "database", "worker-test", "worker-image", "api")
    with running_studio(settings_for(tmp_path / "studio"), only) as studio:
        image = studio.upload(pixel_png)
        long = studio.begin(image, secondsTaken=60)
        studio.job_once(long, "processing")
        graded = studio.client.post(
            "/api/grading/apply", json={"image": image, "exposure": 1.0, "priority": 0}
        )
        assert graded.status_code == 200, graded.text
        assert studio.job(long)["status"] == "processing"
        studio.client.post(f"/api/jobs/{long}/cancel")
        studio.job_once(long, "canceled")
