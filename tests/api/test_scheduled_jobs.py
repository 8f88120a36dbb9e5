"""Jobs that wait for their time, on real servers; what queues them is called by hand here.

That the daemon calls it is in tests/studio_pipelines/test_dagster_ui.py.
"""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyed_studio import KeyedStudio
from running_studio import COPY_ROUTE, RunningStudio, eventually, problem_in, running_studio
from running_studio import settings_for as small_settings
from test_job_events import follow

from api.errors import InvalidRequest
from api.job_schedule import LONGEST_DAYS, Schedule, schedule_of
from resources import signals
from resources.api_keys import Limits
from resources.launcher import begin
from resources.run_tags import BATCH_TAG, NEXT_BATCH, run_id_of
from studio_pipelines.batch import batch_job
from studio_pipelines.instance import open_instance
from studio_pipelines.scheduled_runs import queue_due
from studio_pipelines.settings import load_settings

pytestmark = pytest.mark.stack
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
Later = Callable[..., list[str]]


def in_time(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def scheduled(studio: RunningStudio, image: str, **fields: Any) -> dict[str, Any]:
    answer = studio.copy(image, **fields)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/jobs/{answer.json()['jobId']}"
    return answer.json()


def opened(studio: RunningStudio, patch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    for name in ("DAGSTER_HOME", "STUDIO_DATABASE_URL", "STUDIO_REDIS_URL"):
        patch.setenv(name, studio.stack.env[name])
    return open_instance()


@pytest.fixture
def later(studio: RunningStudio, monkeypatch: pytest.MonkeyPatch) -> Iterator[Later]:
    """Queue what is due when so much time has passed."""
    instance = opened(studio, monkeypatch)

    def queue(**ahead: float) -> list[str]:
        return queue_due(instance, studio.broker, datetime.now(UTC) + timedelta(**ahead))

    yield queue
    instance.dispose()


def test_a_job_waits_for_its_time_and_is_done_then(
    studio: RunningStudio, pixel_png: bytes, later: Later
) -> None:
    at = in_time(hours=9)
    taken = scheduled(studio, studio.upload(pixel_png), schedule=at)
    assert taken["status"] == "scheduled"
    assert abs(datetime.fromisoformat(taken["scheduledFor"]) - datetime.fromisoformat(at)) < (
        timedelta(milliseconds=1)
    )
    record = studio.job(taken["jobId"])
    assert record["status"] == "scheduled"
    assert record["progress"] == {"percent": 0.0, "stage": "scheduled"}
    assert record["scheduledFor"] == taken["scheduledFor"]
    assert (record["queuePosition"], record["estimatedStartAt"]) == (None, None)

    run_id = run_id_of(taken["jobId"])
    assert run_id not in later(hours=8.9)
    assert studio.job(taken["jobId"])["status"] == "scheduled"
    assert run_id in later(hours=9.1)
    done = studio.job_once(taken["jobId"], "completed")
    assert done["scheduledFor"] == taken["scheduledFor"]
    assert run_id not in later(hours=9.1)
    statuses = [one.data["status"] for one in follow(studio, taken["jobId"]) if one[0] == "status"]
    assert statuses == ["scheduled", "queued", "starting", "processing"]


def test_the_wait_for_its_time_is_not_counted_as_waiting_in_line(
    studio: RunningStudio, pixel_png: bytes, later: Later
) -> None:
    taken = scheduled(studio, studio.upload(pixel_png), schedule=in_time(hours=1))
    created = datetime.fromisoformat(studio.job(taken["jobId"])["createdAt"])
    eventually(lambda: datetime.now(UTC) - created > timedelta(seconds=1.5))
    later(hours=2)
    timings = studio.job_once(taken["jobId"], "completed")["data"]["timings"]
    assert timings["totalMs"] < 1500
    stages = timings["queuedMs"] + timings["startMs"] + timings["runMs"]
    assert stages == pytest.approx(timings["totalMs"], abs=0.5)


def test_a_time_that_is_past_is_at_once(studio: RunningStudio, pixel_png: bytes) -> None:
    answer = studio.copy(studio.upload(pixel_png), schedule=in_time(seconds=-1))
    assert answer.status_code == 200, answer.text
    assert studio.job(answer.json()["jobId"])["scheduledFor"] is None


@pytest.mark.parametrize(
    "wish", ["tonight", "2126-01-01T00:00:00", "2126-01-01T00:00:00Z", 7, "7", None]
)
def test_what_is_no_time_or_too_far_is_refused(
    studio: RunningStudio, pixel_png: bytes, wish: object
) -> None:
    before = studio.stored_files()
    answer = studio.copy("data:image/png;base64,AAAA", schedule=wish)
    error = problem_in(answer, 422, "invalid_request")
    assert error["field"] == "schedule"
    assert error["message"].startswith("schedule: ")
    assert studio.stored_files() == before


def test_one_that_waits_can_be_canceled_and_stays_so(
    studio: RunningStudio, pixel_png: bytes, later: Later
) -> None:
    job_id = scheduled(studio, studio.upload(pixel_png), schedule="batch")["jobId"]
    answer = studio.client.post(f"/api/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert later(days=2) == []
    assert studio.job(job_id)["status"] == "canceled"
    # Done once more, it is done at once.
    answer = studio.client.post(f"/api/jobs/{job_id}/retry")
    assert answer.json()["status"] == "queued"
    assert studio.job_once(answer.json()["jobId"], "completed")["scheduledFor"] is None


def test_one_that_is_canceled_while_it_is_queued_is_not(
    studio: RunningStudio, pixel_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = opened(studio, monkeypatch)
    job_id = scheduled(studio, studio.upload(pixel_png), schedule="batch")["jobId"]
    run = instance.get_run_by_id(str(run_id_of(job_id)))
    assert run is not None
    studio.client.post(f"/api/jobs/{job_id}/cancel")
    begin(instance, run)
    assert studio.job(job_id)["status"] == "canceled"
    assert signals.queue_depth(studio.broker, "file_copy") == 0
    # Nor was it for a moment.
    assert [one.data["status"] for one in follow(studio, job_id) if one.kind == "status"] == [
        "scheduled"
    ]
    instance.dispose()


def test_they_are_listed_apart(studio: RunningStudio, pixel_png: bytes) -> None:
    def listed(status: str) -> set[str]:
        jobs = studio.client.get("/api/jobs", params={"status": status, "limit": 100}).json()
        return {job["jobId"] for job in jobs["jobs"]}

    job_id = scheduled(studio, studio.upload(pixel_png), schedule="batch")["jobId"]
    assert job_id in listed("scheduled")
    assert job_id not in listed("queued") | listed("starting")
    studio.client.post(f"/api/jobs/{job_id}/cancel")
    assert job_id not in listed("scheduled")
    assert job_id in listed("canceled")


def test_the_same_key_is_the_same_job(studio: RunningStudio, pixel_png: bytes) -> None:
    body = {"image": studio.upload(pixel_png), "schedule": "batch"}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    answers = [studio.client.post(COPY_ROUTE, json=body, headers=headers) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["status"] == "scheduled"
    studio.client.post(f"/api/jobs/{answers[0].json()['jobId']}/cancel")


def test_an_equal_job_answers_that_begins_no_later(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png + b"for later")
    soon, late = in_time(hours=1), in_time(hours=2)

    def job(**fields: Any) -> str:
        return studio.copy(image, cache=True, **fields).json()["jobId"]

    at_two = job(schedule=late)
    assert job(schedule=late) == at_two
    at_one = job(schedule=soon)
    assert at_one != at_two
    assert job(schedule=late) == at_one
    now = job()
    assert now not in (at_one, at_two)
    # What is there is there, for whenever it was wanted.
    assert studio.copy(image, cache=True, schedule=late).json()["status"] == "completed"
    for one in (at_one, at_two):
        studio.client.post(f"/api/jobs/{one}/cancel")


def test_equal_jobs_of_one_batch_are_one(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png + b"tonight")
    batch, again = (
        studio.copy(image, cache=True, schedule="batch").json()["jobId"] for _ in range(2)
    )
    assert again == batch
    # The batch comes when it comes, which may be later than its hour.
    at = (next_night() + timedelta(hours=1)).isoformat()
    other = studio.copy(image, cache=True, schedule=at).json()["jobId"]
    assert other != batch
    for one in (batch, other):
        studio.client.post(f"/api/jobs/{one}/cancel")


def next_night() -> datetime:
    found = schedule_of("batch", load_settings(), datetime.now(UTC))
    assert found is not None
    return found.at


def test_a_quote_says_when_it_would_be(studio: RunningStudio, pixel_png: bytes) -> None:
    answer = studio.copy(studio.upload(pixel_png), schedule="batch", dryRun=True)
    told = answer.json()["quote"]
    assert datetime.fromisoformat(told["scheduledFor"]) == next_night()
    assert told["queuePosition"] is None
    assert 0 < told["startsInSeconds"] <= 24 * 3600


def test_the_batch_is_called_by_its_job(
    studio: RunningStudio, pixel_png: bytes, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = studio.upload(pixel_png)
    jobs = [scheduled(studio, image, schedule="batch")["jobId"] for _ in range(2)]
    runs = [run_id_of(job_id) for job_id in jobs]
    # Its hour alone does not do it: the schedule may be switched off.
    assert not set(runs) & set(later(days=2))
    instance = opened(studio, monkeypatch)
    result = batch_job.execute_in_process(instance=instance)
    told = result.all_node_events[-2].step_output_data.metadata
    assert told["jobs"].value == 2
    assert [row.data["job"] for row in told["batch"].records] == jobs
    for run_id in runs:
        run = instance.get_run_by_id(str(run_id))
        assert run is not None
        assert run.tags[BATCH_TAG] == result.run_id
    assert later() == runs
    for job_id in jobs:
        done = studio.job_once(job_id, "completed")
        assert datetime.fromisoformat(done["scheduledFor"]) <= datetime.now(UTC)
    instance.dispose()


def test_the_most_urgent_come_first(studio: RunningStudio, pixel_png: bytes, later: Later) -> None:
    image, at = studio.upload(pixel_png), in_time(minutes=1)
    jobs = [scheduled(studio, image, schedule=at, priority=n)["jobId"] for n in (2, 8, 5)]
    low, high, middle = (run_id_of(job_id) for job_id in jobs)
    assert later(minutes=2) == [high, middle, low]
    for job_id in jobs:
        studio.job_once(job_id, "completed")


def test_those_of_an_owner_take_the_places_that_he_has(
    keyed: KeyedStudio, pixel_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, _ = keyed.with_key(limits=Limits(concurrent_jobs=1))
    image, at = user.upload(pixel_png), in_time(minutes=1)
    jobs = [scheduled(user, image, schedule=at, secondsTaken=30)["jobId"] for _ in range(2)]
    first, second = (run_id_of(job_id) for job_id in jobs)
    # What is scheduled takes nobody's place.
    assert user.copy(image).status_code == 200
    instance = opened(user, monkeypatch)
    soon = datetime.now(UTC) + timedelta(minutes=2)
    assert queue_due(instance, user.broker, soon) == [first]
    assert queue_due(instance, user.broker, soon) == []
    problem_in(user.copy(image), 429, "too_many_jobs")
    user.client.post(f"/api/jobs/{jobs[0]}/cancel")
    user.job_once(jobs[0], "canceled")
    assert queue_due(instance, user.broker, soon) == [second]
    user.client.post(f"/api/jobs/{jobs[1]}/cancel")
    user.job_once(jobs[1], "canceled")
    instance.dispose()


def test_it_is_taken_while_no_worker_is_there(tmp_path: Any, pixel_png: bytes) -> None:
    with running_studio(small_settings(tmp_path), ("broker", "database", "api")) as studio:
        image = studio.upload(pixel_png)
        problem_in(studio.copy(image), 503, "workers_away")
        assert scheduled(studio, image, schedule="batch")["status"] == "scheduled"


@given(st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_the_wish_for_a_time(ahead: timedelta) -> None:
    wish = NOW + ahead
    if ahead > timedelta(days=LONGEST_DAYS):
        with pytest.raises(InvalidRequest):
            schedule_of(wish, load_settings(), NOW)
    elif ahead > timedelta(0):
        assert schedule_of(wish, load_settings(), NOW) == Schedule(wish)
    else:
        assert schedule_of(wish, load_settings(), NOW) is None


def test_what_a_run_that_waits_is_known_by() -> None:
    assert Schedule(NOW).tags() == {"studio/scheduled_for": "2026-06-01T12:00:00.000+00:00"}
    assert Schedule(NOW, in_batch=True).tags()[BATCH_TAG] == NEXT_BATCH
