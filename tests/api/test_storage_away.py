"""A running studio whose asset store fills up, turns read-only or goes away."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from asset_store_check import SmallDisk, leftovers, small_disk, wrong_answers
from running_studio import RunningStudio, problem_in, running_studio, settings_for

from resources.quota import KEEP_FREE_BYTES

pytestmark = pytest.mark.stack
MIB = 1 << 20


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("disks") / "disk", KEEP_FREE_BYTES // MIB + 8) as disk:
        yield disk


@pytest.fixture(scope="module")
def store_dir(disk: SmallDisk) -> Path:
    return disk.path / "store"


@pytest.fixture(scope="module")
def small_studio(
    store_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStudio]:
    settings = settings_for(tmp_path_factory.mktemp("studio"), asset_url=store_dir.as_uri())
    with running_studio(settings, ("broker", "database", "worker-test", "api")) as running:
        yield running


def sound(store_dir: Path) -> bool:
    return wrong_answers(store_dir) == leftovers(store_dir) == []


def test_a_full_disk_refuses_uploads_and_jobs_until_there_is_room(
    small_studio: RunningStudio, disk: SmallDisk, store_dir: Path, pixel_png: bytes
) -> None:
    image = small_studio.upload(pixel_png)
    disk.fill(leave_bytes=MIB)
    problem_in(
        small_studio.client.post("/api/assets", content=pixel_png), 507, "disk_quota_exceeded"
    )
    problem_in(small_studio.copy(image), 507, "disk_quota_exceeded")
    assert sound(store_dir)
    disk.empty()
    assert small_studio.copy(image).json()["status"] == "completed"
    assert sound(store_dir)


def test_a_disk_that_fills_up_while_a_job_runs(
    small_studio: RunningStudio, disk: SmallDisk, store_dir: Path, pixel_png: bytes
) -> None:
    image = small_studio.upload(pixel_png + os.urandom(MIB // 2))
    job_id = small_studio.begin(image, secondsTaken=1.0)
    small_studio.job_once(job_id, "processing")
    disk.fill()
    record = small_studio.job_once(job_id, "failed")
    assert (record["error"]["status"], record["error"]["code"]) == (507, "disk_quota_exceeded")
    assert str(disk.path) not in str(record)
    disk.empty()
    assert sound(store_dir)
    assert small_studio.copy(image).json()["status"] == "completed"


def test_a_read_only_disk_gives_what_it_has_and_takes_nothing(
    small_studio: RunningStudio, disk: SmallDisk, store_dir: Path, pixel_png: bytes
) -> None:
    image = small_studio.upload(pixel_png)
    job_id = small_studio.begin(image, secondsTaken=1.0)
    small_studio.job_once(job_id, "processing")
    disk.set_read_only(True)
    answer = small_studio.client.post("/api/assets", content=pixel_png)
    problem_in(answer, 503, "asset_store_unavailable")
    assert answer.headers["retry-after"]
    path = f"/api/assets/{image.removeprefix('asset:')}"
    assert small_studio.client.get(path).content == pixel_png
    problem_in(small_studio.client.delete(path), 503, "asset_store_unavailable")
    record = small_studio.job_once(job_id, "failed")
    assert (record["error"]["status"], record["error"]["code"]) == (503, "asset_store_unavailable")
    disk.set_read_only(False)
    assert small_studio.copy(image).json()["status"] == "completed"
    assert sound(store_dir)


def test_a_store_that_goes_away_and_comes_back(
    small_studio: RunningStudio, store_dir: Path, pixel_png: bytes
) -> None:
    image = small_studio.upload(pixel_png)
    away = store_dir.with_name("elsewhere")
    store_dir.rename(away)
    path = f"/api/assets/{image.removeprefix('asset:')}"
    for answer in (
        small_studio.client.get(path),
        small_studio.client.get(f"{path}/metadata"),
        small_studio.client.post("/api/assets", content=pixel_png),
        small_studio.copy(image),
    ):
        problem_in(answer, 503, "asset_store_unavailable")
    assert not store_dir.exists(), "made anew, it would hide what is on the disk that is away"
    away.rename(store_dir)
    assert small_studio.client.get(path).content == pixel_png
    assert small_studio.copy(image).json()["status"] == "completed"
    assert sound(store_dir)
