"""``/api/jobs``: the record and cancelling, on real servers and a real worker."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from running_studio import RunningStudio, eventually, problem_in

from api.routes.jobs import preferred_wait_s
from resources.run_tags import job_id_of

pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    "job_id", [job_id_of(str(uuid.UUID(int=7))), "job_1", "nonsense", "job_" + "G" * 32]
)
def test_a_job_that_there_is_not(studio: RunningStudio, job_id: str) -> None:
    problem_in(studio.client.get(f"/api/jobs/{job_id}"), 404, "job_not_found")
    problem_in(studio.client.post(f"/api/jobs/{job_id}/cancel"), 404, "job_not_found")


def test_the_record_follows_the_job(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png)
    job_id = studio.begin(image, secondsTaken=1)
    running = studio.job_once(job_id, "processing")
    assert running["createdAt"] <= running["startedAt"]
    assert running["finishedAt"] is None
    assert "data" not in running
    halfway = eventually(lambda: (at := studio.job(job_id)["progress"])["percent"] > 20 and at)
    assert halfway["stage"] in ("copy", "done")
    done = studio.job_once(job_id, "completed")
    assert done["startedAt"] <= done["finishedAt"]
    assert done["data"]["timings"]["runMs"] >= 1000


def test_canceling_a_job_that_waits_ends_it_at_once(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    first = studio.begin(image, secondsTaken=30)
    studio.job_once(first, "processing")
    second = studio.begin(image)
    assert studio.job(second)["status"] == "queued"
    answer = studio.client.post(f"/api/jobs/{second}/cancel")
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "jobId": second, "status": "canceled"}
    assert studio.job(second)["status"] == "canceled"

    answer = studio.client.post(f"/api/jobs/{first}/cancel")
    assert answer.status_code == 202
    assert answer.json() == {"success": True, "jobId": first, "status": "cancel_requested"}
    canceled = studio.job_once(first, "canceled", "completed", "failed")
    assert canceled["status"] == "canceled"
    assert "data" not in canceled

    # The worker lives on, and the job that was canceled while it waited stays so.
    assert studio.copy(image).status_code == 200
    assert studio.job(second)["status"] == "canceled"
    assert studio.job(second)["startedAt"] is None


def test_a_finished_job_cannot_be_canceled(studio: RunningStudio, pixel_png: bytes) -> None:
    job_id = studio.copy(studio.upload(pixel_png)).json()["jobId"]
    answer = studio.client.post(f"/api/jobs/{job_id}/cancel")
    assert answer.status_code == 200
    assert answer.json()["status"] == "already_finished"
    assert studio.job(job_id)["status"] == "completed"


def test_whoever_waits_for_a_canceled_job_gets_a_conflict(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    eventually(lambda: studio.row()["currentJob"] is None)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(studio.copy, image, secondsTaken=30)
        busy = eventually(lambda: studio.row()["currentJob"])
        studio.client.post(f"/api/jobs/{busy}/cancel")
        answer = waiting.result()
    problem_in(answer, 409, "canceled")
    assert answer.json()["jobId"] == busy


def test_equal_priorities_are_served_in_order_and_higher_ones_first(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    blocker = studio.begin(image, secondsTaken=30)
    studio.job_once(blocker, "processing")
    jobs = [studio.begin(image, priority=priority) for priority in (0, 5, 9, 5)]
    studio.client.post(f"/api/jobs/{blocker}/cancel")
    records = [studio.job_once(job_id, "completed") for job_id in jobs]
    order = sorted(range(4), key=lambda index: records[index]["startedAt"])
    assert order == [2, 1, 3, 0]


def test_a_job_that_waits_tells_its_place_and_about_when_it_starts(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    assert studio.copy(image).status_code == 200
    blocker = studio.begin(image, secondsTaken=30)
    studio.job_once(blocker, "processing")
    later, sooner = studio.begin(image, priority=2), studio.begin(image, priority=8)
    records = [studio.job(job_id) for job_id in (sooner, later)]
    assert [record["queuePosition"] for record in records] == [1, 2]
    assert records[0]["createdAt"] <= records[0]["estimatedStartAt"]
    assert records[0]["estimatedStartAt"] <= records[1]["estimatedStartAt"]
    studio.client.post(f"/api/jobs/{blocker}/cancel")
    done = studio.job_once(later, "completed")
    assert done["queuePosition"] is None
    assert done["estimatedStartAt"] is None


def test_a_client_that_lost_its_call_waits_on_by_job_id(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    job_id = studio.begin(studio.upload(pixel_png), secondsTaken=1)
    answer = studio.client.get(f"/api/jobs/{job_id}", headers={"Prefer": "wait=20"})
    assert answer.json()["status"] == "completed"


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        ("wait=10", 10),
        ('respond-async, wait="7"', 7),
        ("Wait = 500", 60),
        (None, 0),
        ("await=9", 0),
        ("wait=soon", 0),
    ],
)
def test_the_wait_that_a_client_prefers(prefer: str | None, wait_s: float) -> None:
    assert preferred_wait_s(prefer, 60.0) == wait_s


def test_the_stages_of_a_job_add_up(studio: RunningStudio, pixel_png: bytes) -> None:
    timings = studio.copy(studio.upload(pixel_png)).json()["data"]["timings"]
    assert set(timings) == {"queuedMs", "startMs", "runMs", "totalMs"}
    stages = timings["queuedMs"] + timings["startMs"] + timings["runMs"]
    assert stages == pytest.approx(timings["totalMs"], abs=0.5)
    assert min(timings.values()) > 0


def test_canceling_a_job_that_is_just_starting_ends_it(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    for _ in range(8):
        job_id = studio.begin(image, secondsTaken=30)
        assert studio.client.post(f"/api/jobs/{job_id}/cancel").status_code in (200, 202)
        studio.job_once(job_id, "canceled")
    assert studio.copy(image).status_code == 200
