"""An equal request is answered by an earlier job, on real servers and a real worker."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from running_studio import COPY_ROUTE, RunningStudio, problem_in

pytestmark = pytest.mark.stack
TWICE = "/api/pipelines/copy-twice"


@pytest.fixture
def picture(pixel_png: bytes, request: pytest.FixtureRequest) -> bytes:
    """A picture that no other test has sent."""
    return pixel_png + request.node.name.encode()


def cached(studio: RunningStudio, image: Any, **fields: Any) -> dict[str, Any]:
    answer = studio.copy(image, cache=True, **fields)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def newest_jobs(studio: RunningStudio, number: int) -> list[str]:
    jobs = studio.client.get("/api/jobs", params={"limit": number}).json()["jobs"]
    return [job["jobId"] for job in jobs]


def test_an_equal_request_is_answered_at_once_by_the_earlier_job(
    studio: RunningStudio, picture: bytes
) -> None:
    first = cached(studio, studio.upload(picture))
    assert first["cached"] is False
    # Another asset of the same content, a default that is spelt out, another priority.
    for more in ({}, {"async": True}, {"secondsTaken": 0, "priority": 9}):
        again = cached(studio, studio.upload(picture), **more)
        assert again == {**first, "cached": True}
    assert newest_jobs(studio, 1) == [first["jobId"]]
    counted = 'studio_submissions_total{answered="cache",operation="file_copy"}'
    assert counted in studio.client.get("/metrics").text


def test_files_that_an_answered_request_brings_are_not_kept(
    studio: RunningStudio, picture: bytes
) -> None:
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    first = cached(studio, uri)
    before = studio.stored_files()
    assert cached(studio, uri)["jobId"] == first["jobId"]
    form = {"cache": "true"}
    answer = studio.client.post(COPY_ROUTE, files={"image": ("a", picture)}, data=form)
    assert answer.json()["jobId"] == first["jobId"]
    assert studio.stored_files() == before


def test_other_input_other_parameters_and_no_cache_make_a_job(
    studio: RunningStudio, picture: bytes
) -> None:
    image = studio.upload(picture)
    jobs = {cached(studio, image)["jobId"]}
    jobs.add(cached(studio, studio.upload(picture + b"2"))["jobId"])
    jobs.add(cached(studio, image, secondsTaken=0.01)["jobId"])
    jobs.add(cached(studio, [image, image])["jobId"])
    jobs.add(studio.copy(image, cache=False).json()["jobId"])
    jobs.add(studio.copy(image).json()["jobId"])  # this client's Cache-Control is no-cache
    assert len(jobs) == 6


@pytest.mark.parametrize("header", ["no-store", "max-age=0, No-Cache"])
def test_the_header_speaks_where_the_body_does_not(
    studio: RunningStudio, picture: bytes, header: str
) -> None:
    picture += header.encode()
    body = {"image": studio.upload(picture)}
    plain = httpx.Client(base_url=studio.stack.api_url, timeout=30)
    with plain as client:
        first = client.post(COPY_ROUTE, json=body).json()["jobId"]
        assert client.post(COPY_ROUTE, json=body).json()["jobId"] == first
        anew = {"Cache-Control": header}
        other = client.post(COPY_ROUTE, json=body, headers=anew).json()
        assert (other["jobId"] != first, other["cached"]) == (True, False)
        asked = client.post(COPY_ROUTE, json={**body, "cache": True}, headers=anew).json()
        assert asked["cached"] is True


def test_an_asset_or_a_job_that_is_gone_is_made_again(
    studio: RunningStudio, picture: bytes
) -> None:
    image = studio.upload(picture)
    first = cached(studio, image)
    made = first["data"]["assets"]["copy"]["id"]
    assert studio.client.delete(f"/api/assets/{made}").status_code == 200
    second = cached(studio, image)
    assert second["jobId"] != first["jobId"]
    assert second["cached"] is False
    assert studio.client.delete(f"/api/jobs/{second['jobId']}").status_code == 204
    third = cached(studio, image)
    assert third["cached"] is False
    assert cached(studio, image)["jobId"] == third["jobId"]


def test_a_failed_job_answers_nobody(studio: RunningStudio, picture: bytes) -> None:
    image = studio.upload(picture)
    failed = [studio.copy(image, refuse=True, cache=True) for _ in range(2)]
    for answer in failed:
        problem_in(answer, 422, "unusable_media")
    assert failed[0].json()["jobId"] != failed[1].json()["jobId"]


def test_racing_equal_requests_come_to_one_job(studio: RunningStudio, picture: bytes) -> None:
    image = studio.upload(picture)

    def ask(number: int) -> dict[str, Any]:
        return cached(studio, image, secondsTaken=0.5, **{"async": number % 2 == 0})

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(ask, range(12)))
    (job_id,) = {answer["jobId"] for answer in answers}
    record = studio.job_once(job_id, "completed")
    waited = [answer for answer in answers if answer["status"] == "completed"]
    assert len(waited) >= 6
    for answer in waited:
        assert answer["data"] == record["data"]
    assert sum(answer["cached"] is False for answer in waited) <= 1


def test_a_job_under_way_must_be_as_urgent_and_as_patient(
    studio: RunningStudio, picture: bytes
) -> None:
    image = studio.upload(picture)
    blocker = studio.begin(image, secondsTaken=30)
    studio.job_once(blocker, "processing")

    def begin(**more: Any) -> str:
        return cached(studio, image, priority=5, timeoutSeconds=60, **more, **{"async": True})[
            "jobId"
        ]

    first = begin()
    assert begin() == first
    calm = studio.copy(image, cache=True, priority=1, timeoutSeconds=9, **{"async": True}).json()
    assert (calm["jobId"], calm["status"]) == (first, "queued")
    urgent = studio.copy(image, cache=True, priority=6, timeoutSeconds=60, **{"async": True})
    patient = studio.copy(image, cache=True, priority=5, timeoutSeconds=61, **{"async": True})
    assert len({first, urgent.json()["jobId"], patient.json()["jobId"]}) == 3
    studio.client.post(f"/api/jobs/{blocker}/cancel")
    studio.job_once(first, "completed")


def test_a_canceled_job_is_joined_by_nobody(studio: RunningStudio, picture: bytes) -> None:
    image = studio.upload(picture)
    blocker = studio.begin(image, secondsTaken=30)
    studio.job_once(blocker, "processing")
    first = cached(studio, image, **{"async": True})["jobId"]
    studio.client.post(f"/api/jobs/{first}/cancel")
    second = cached(studio, image, **{"async": True})["jobId"]
    assert second != first
    studio.client.post(f"/api/jobs/{blocker}/cancel")
    studio.job_once(second, "completed")


def test_chains_are_answered_too(studio: RunningStudio, picture: bytes) -> None:
    body = {"image": studio.upload(picture), "cache": True}
    first = studio.client.post(TWICE, json=body).json()
    again = studio.client.post(TWICE, json={**body, "again": {"refuse": False}}).json()
    assert again == {**first, "cached": True}
    inner = first["data"]["steps"]["file_copy"]["assets"]["copy"]["id"]
    studio.client.delete(f"/api/assets/{inner}")
    assert studio.client.post(TWICE, json=body).json()["cached"] is False


def test_a_job_tells_its_recipe(studio: RunningStudio, picture: bytes) -> None:
    image = studio.upload(picture)
    job_id = studio.copy(image).json()["jobId"]
    answer = studio.client.get(f"/api/jobs/{job_id}/recipe")
    assert answer.status_code == 200, answer.text
    recipe = answer.json()["recipe"]
    step = recipe["steps"]["file_copy"]
    stored = studio.client.get(f"/api/assets/{image.removeprefix('asset:')}/metadata").json()
    assert (recipe["operation"], recipe["version"], step["version"]) == ("file_copy", "1", "1")
    assert step["inputs"] == {"image": {"asset": stored["id"], "sha256": stored["sha256"]}}
    assert step["parameters"] == {"secondsTaken": 0.0, "refuse": False}
    # Enough to replay: what it names, sent again, is the same job.
    again = studio.client.post(
        COPY_ROUTE,
        json={"image": f"asset:{stored['id']}", **step["parameters"], "cache": True},
    )
    assert again.json()["jobId"] == job_id
    retried = studio.client.post(f"/api/jobs/{job_id}/retry").json()["jobId"]
    assert studio.client.get(f"/api/jobs/{retried}/recipe").json()["recipe"] == recipe


@pytest.mark.parametrize("job_id", ["job_" + "0" * 32, "nonsense"])
def test_there_is_no_recipe_of_no_job(studio: RunningStudio, job_id: str) -> None:
    problem_in(studio.client.get(f"/api/jobs/{job_id}/recipe"), 404, "job_not_found")
