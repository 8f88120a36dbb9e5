"""``Idempotency-Key`` on real servers and a real worker."""

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from dagster import DagsterRunStatus
from running_studio import (
    COPY_ROUTE,
    RunningStudio,
    eventually,
    problem_in,
    running_studio,
    settings_for,
)

from api import run_making
from api.idempotency import submission_key
from api.order_taking import OrderTaking
from api.submission import JobSubmissionService
from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.run_tags import run_id_of
from studio_pipelines.instance import open_instance

pytestmark = pytest.mark.stack
PROCESSES = ("broker", "database", "worker-test", "api")


def send(studio: RunningStudio, key: str, **body: Any) -> httpx.Response:
    return studio.client.post(COPY_ROUTE, json=body, headers={"Idempotency-Key": key})


def new_key() -> str:
    return uuid.uuid4().hex


def test_the_same_request_comes_to_the_same_job(studio: RunningStudio, pixel_png: bytes) -> None:
    image, key = studio.upload(pixel_png), new_key()
    first = send(studio, key, image=image)
    again = send(studio, key, image=image)
    assert first.status_code == again.status_code == 200
    assert again.json() == first.json()
    assert first.json()["cached"] is False
    counted = 'studio_submissions_total{answered="key",operation="file_copy"}'
    assert counted in studio.client.get("/metrics").text
    assert send(studio, new_key(), image=image).json()["jobId"] != first.json()["jobId"]


def test_an_asynchronous_request_is_told_how_its_job_is(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image, key = studio.upload(pixel_png), new_key()
    body = {"image": image, "secondsTaken": 0.5, "async": True}
    first = send(studio, key, **body)
    assert (first.status_code, first.json()["status"]) == (202, "queued")
    again = send(studio, key, **body)
    assert again.status_code == 202
    assert again.json()["jobId"] == first.json()["jobId"]
    studio.job_once(first.json()["jobId"], "completed")
    done = send(studio, key, **body)
    assert (done.status_code, done.json()["status"]) == (200, "completed")


def test_a_job_that_failed_is_not_done_again(studio: RunningStudio, pixel_png: bytes) -> None:
    image, key = studio.upload(pixel_png), new_key()
    first, again = (send(studio, key, image=image, refuse=True) for _ in range(2))
    problem_in(again, 422, "unusable_media")
    assert again.json() == first.json()


def test_another_request_under_the_key_is_a_conflict(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image, key = studio.upload(pixel_png), new_key()
    send(studio, key, image=image)
    for other in ({"image": image, "secondsTaken": 0.1}, {"image": studio.upload(pixel_png)}):
        error = problem_in(send(studio, key, **other), 409, "idempotency_conflict")
        assert error["field"] == "Idempotency-Key"
    chain = studio.client.post(
        "/api/pipelines/copy-twice", json={"image": image}, headers={"Idempotency-Key": key}
    )
    problem_in(chain, 409, "idempotency_conflict")


def test_a_refused_request_uses_no_key_up(studio: RunningStudio, pixel_png: bytes) -> None:
    key = new_key()
    problem_in(send(studio, key, image="asset:ast_0"), 422, "invalid_request")
    assert send(studio, key, image=studio.upload(pixel_png)).status_code == 200


def test_files_count_by_their_content(studio: RunningStudio, pixel_png: bytes) -> None:
    headers = {"Idempotency-Key": new_key()}

    def post(data: bytes) -> httpx.Response:
        return studio.client.post(COPY_ROUTE, files={"image": ("a.png", data)}, headers=headers)

    first = post(pixel_png)
    before = studio.stored_files()
    assert post(pixel_png).json() == first.json()
    problem_in(post(pixel_png + b"2"), 409, "idempotency_conflict")
    assert studio.stored_files() == before


def test_a_key_keeps_the_earlier_job_that_answered(studio: RunningStudio, pixel_png: bytes) -> None:
    image, key = studio.upload(pixel_png + b"kept by a key"), new_key()
    earlier = studio.copy(image, cache=True).json()["jobId"]
    answers = [send(studio, key, image=image, cache=True).json() for _ in range(2)]
    assert {(one["jobId"], one["cached"]) for one in answers} == {(earlier, True)}
    # A newer equal job changes nothing for the key.
    assert studio.copy(image).json()["jobId"] != earlier
    assert send(studio, key, image=image, cache=True).json()["jobId"] == earlier


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tbed"])
def test_what_is_no_key(studio: RunningStudio, pixel_png: bytes, key: str) -> None:
    answer = send(studio, key, image=studio.upload(pixel_png))
    assert problem_in(answer, 422, "invalid_request")["field"] == "Idempotency-Key"


def test_two_hundred_at_once_with_fifty_keys_twice(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png)
    keys = [new_key() for _ in range(150)]
    sent = keys + keys[:50]
    random.Random(7).shuffle(sent)

    def submit(key: str) -> tuple[str, str]:
        answer = send(studio, key, image=image, **{"async": True})
        assert answer.status_code in (200, 202), answer.text
        return key, answer.json()["jobId"]

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(submit, sent))
    jobs = dict(answers)
    assert len(answers) == 200
    assert len(set(jobs.values())) == 150
    assert all(jobs[key] == job_id for key, job_id in answers)
    listed: set[str] = set()
    cursor = None
    while len(listed) < 150:
        query = {"limit": 100, **({"cursor": cursor} if cursor else {})}
        page = studio.client.get("/api/jobs", params=query).json()
        listed |= {job["jobId"] for job in page["jobs"]}
        cursor = page["nextCursor"]
    newest = studio.client.get("/api/jobs", params={"limit": 100}).json()["jobs"]
    assert {job["jobId"] for job in newest} <= set(jobs.values())
    for job_id in jobs.values():
        studio.job_once(job_id, "completed")


@pytest.fixture
def orders(studio: RunningStudio, monkeypatch: pytest.MonkeyPatch) -> Iterator[OrderTaking]:
    """What takes orders, in this process, on the servers of a running studio."""
    for name in ("DAGSTER_HOME", "STUDIO_DATABASE_URL", "STUDIO_REDIS_URL"):
        monkeypatch.setenv(name, studio.stack.env[name])
    instance = open_instance(waits=False)
    store = ArtifactStore(url=studio.stack.settings.asset_url)
    yield JobSubmissionService(instance, studio.stack.env["STUDIO_REDIS_URL"], store)._orders
    instance.dispose()


def test_a_job_whose_maker_died_before_it_was_queued_is_queued_by_the_next_request(
    studio: RunningStudio,
    pixel_png: bytes,
    orders: OrderTaking,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = orders.maker._instance
    twin = storage.get_run_by_id(run_id_of(studio.copy(studio.upload(pixel_png)).json()["jobId"]))
    key, run_id = submission_key(new_key(), COPY_ROUTE, {}, ()), str(uuid.uuid4())
    orders.claims.take(key, run_id)
    storage.add_run(twin._replace(run_id=run_id, status=DagsterRunStatus.NOT_STARTED))
    known = orders.submitted_before(key, "file_copy")
    assert known is not None
    assert run_id_of(known.job_id) == run_id
    assert studio.job(known.job_id)["status"] == "queued"
    monkeypatch.setattr(run_making, "QUEUED_WITHIN_S", 0.0)
    assert orders.submitted_before(key, "file_copy") == known
    assert studio.job_once(known.job_id, "completed")["data"]["verification"]["passed"] is True


def test_keys_and_results_outlive_a_restart_of_everything(tmp_path: Path, pixel_png: bytes) -> None:
    settings, key = settings_for(tmp_path), new_key()
    with running_studio(settings, PROCESSES) as before:
        image = before.upload(pixel_png)
        body = {"image": image, "cache": True}
        first = send(before, key, **body).json()
        # Neither does it hurt that the broker is killed.
        before.process("broker").kill()
        eventually(lambda: before.client.get("/readyz").status_code == 200)
    with running_studio(settings, PROCESSES) as after:
        again = send(after, key, **body).json()
        assert (again["jobId"], again["cached"]) == (first["jobId"], False)
        error = send(after, key, image=image, secondsTaken=0.1)
        problem_in(error, 409, "idempotency_conflict")
        other = send(after, new_key(), **body).json()
        assert (other["jobId"], other["cached"]) == (first["jobId"], True)


def test_the_fingerprint_of_a_request() -> None:
    file = Artifact("ast_1", "abc", "image/png", 3, "now")
    twin = Artifact("ast_2", "abc", "image/png", 3, "now")

    def body(asset: str) -> dict[str, Any]:
        return {"images": [f"asset:{asset}"], "step": {"mask": f"asset:{asset}"}, "n": 1}

    first = submission_key("k", "/a", body("ast_1"), [file])
    assert first == submission_key("k", "/a", body("ast_2"), [twin])
    assert first == submission_key("k", "/a", dict(reversed(body("ast_1").items())), [file])
    assert first != submission_key("k", "/b", body("ast_1"), [file])
    assert first != submission_key("k", "/a", body("ast_1"), [])
