"""``GET /api/jobs``, retrying and forgetting, on real servers and a real worker."""

from typing import Any

import pytest
from running_studio import RunningStudio, problem_in

pytestmark = pytest.mark.stack
UNKNOWN = "job_" + "0" * 32


def listed(studio: RunningStudio, **query: Any) -> tuple[list[str], str | None]:
    answer = studio.client.get("/api/jobs", params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [job["jobId"] for job in page["jobs"]], page["nextCursor"]


def test_pages_hold_each_job_once_and_the_newest_first(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    made = [studio.copy(image).json()["jobId"] for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while len(seen) < 5:
        page, cursor = listed(studio, limit=2, **({"cursor": cursor} if cursor else {}))
        assert 0 < len(page) <= 2
        assert len(page) == 2 or cursor is None
        seen += page
    assert seen[:5] == made[::-1]
    everything, after = listed(studio, limit=100)
    while after is not None:
        page, after = listed(studio, limit=100, cursor=after)
        everything += page
    assert len(set(everything)) == len(everything)
    oldest, after_oldest = listed(studio, limit=4, cursor=everything[-5])
    assert (oldest, after_oldest) == (everything[-4:], None)


def test_a_record_in_the_list_is_the_record(studio: RunningStudio, pixel_png: bytes) -> None:
    job_id = studio.copy(studio.upload(pixel_png)).json()["jobId"]
    (newest,) = studio.client.get("/api/jobs", params={"limit": 1}).json()["jobs"]
    assert newest == studio.job(job_id)
    assert newest["data"]["url"].startswith("http")
    assert newest["expiresAt"] > newest["finishedAt"]
    assert newest["retriedFrom"] is None


def test_jobs_by_state_and_operation(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png)
    failed = studio.begin(image, secondsTaken=20, timeoutSeconds=1)
    studio.job_once(failed, "failed")
    running = studio.begin(image, secondsTaken=20)
    studio.job_once(running, "processing")
    waiting = studio.begin(image)
    assert listed(studio, status="processing") == ([running], None)
    assert listed(studio, status="queued") == ([waiting], None)
    assert listed(studio, status=["queued", "processing"]) == ([waiting, running], None)
    assert listed(studio, status="starting") == ([], None)
    assert listed(studio, status="failed", limit=1)[0] == [failed]
    assert running in listed(studio, operation="file_copy")[0]
    assert listed(studio, operation="grading_apply") == ([], None)
    for job_id in (waiting, running):
        studio.client.post(f"/api/jobs/{job_id}/cancel")
        studio.job_once(job_id, "canceled")
    assert listed(studio, status="canceled", limit=2)[0] == [waiting, running]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"status": "done"}, "status"),
        ({"operation": "painting"}, "operation"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": UNKNOWN}, "cursor"),
    ],
)
def test_a_question_that_cannot_be_answered(
    studio: RunningStudio, query: dict[str, Any], field: str
) -> None:
    error = problem_in(studio.client.get("/api/jobs", params=query), 422, "invalid_request")
    assert str(error["field"]).startswith(field)


def test_a_job_is_done_once_more(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png)
    failed = studio.begin(image, secondsTaken=20, timeoutSeconds=1)
    problem_in(studio.client.post(f"/api/jobs/{failed}/retry"), 409, "job_goes_on")
    studio.job_once(failed, "failed")
    done = studio.begin(image, secondsTaken=0.5, priority=2)
    studio.job_once(done, "completed")
    answer = studio.client.post(f"/api/jobs/{done}/retry")
    assert answer.status_code == 202
    again = answer.json()["jobId"]
    assert again != done
    assert answer.headers["location"] == f"/api/jobs/{again}"
    record = studio.job_once(again, "completed")
    assert record["retriedFrom"] == done
    assert studio.client.get(record["data"]["url"]).content == pixel_png
    # A job that failed may fail for the same reason; the first one's record stays.
    second = studio.client.post(f"/api/jobs/{failed}/retry").json()["jobId"]
    assert studio.job_once(second, "failed")["error"] == studio.job(failed)["error"]


def test_a_job_is_forgotten_and_its_assets_stay(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png)
    running = studio.begin(image, secondsTaken=20)
    studio.job_once(running, "processing")
    problem_in(studio.client.delete(f"/api/jobs/{running}"), 409, "job_goes_on")
    studio.client.post(f"/api/jobs/{running}/cancel")
    studio.job_once(running, "canceled")
    done = studio.copy(image).json()
    assert studio.client.delete(f"/api/jobs/{done['jobId']}").status_code == 204
    problem_in(studio.client.get(f"/api/jobs/{done['jobId']}"), 404, "job_not_found")
    problem_in(studio.client.delete(f"/api/jobs/{done['jobId']}"), 404, "job_not_found")
    assert studio.client.get(done["data"]["url"]).content == pixel_png


@pytest.mark.parametrize("job_id", [UNKNOWN, "nonsense"])
def test_there_is_no_such_job(studio: RunningStudio, job_id: str) -> None:
    problem_in(studio.client.post(f"/api/jobs/{job_id}/retry"), 404, "job_not_found")
    problem_in(studio.client.delete(f"/api/jobs/{job_id}"), 404, "job_not_found")


def test_a_chains_jobs_are_listed_by_its_name(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png)
    made = studio.client.post("/api/pipelines/copy-join", json={"image": image}).json()["jobId"]
    record = studio.job(made)
    assert listed(studio, limit=1)[0] == [made]
    assert listed(studio, operation=record["operation"], limit=1)[0] == [made]
    assert made not in listed(studio, operation="file_copy")[0]
