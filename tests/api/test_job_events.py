"""Following a job as server-sent events, on real servers and a real worker."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from running_studio import RunningStudio, eventually, problem_in

from resources.run_events import STREAM_LENGTH, stream_key
from resources.run_tags import run_id_of

pytestmark = pytest.mark.stack


class Event(NamedTuple):
    kind: str
    data: Any
    id: str


def events_in(lines: Iterator[str]) -> Iterator[Event]:
    """Read the format of the HTML standard, section 9.2.6."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            yield Event(fields["event"], json.loads(fields["data"]), fields["id"])
        fields = {}


def follow(
    studio: RunningStudio, job_id: str, after: str | None = None, at_most: int | None = None
) -> list[Event]:
    """Return the events up to the last, or the first so many, after which the client hangs up."""
    headers = {"Last-Event-ID": after} if after else {}
    seen: list[Event] = []
    with studio.client.stream("GET", f"/api/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        for event in events_in(answer.iter_lines()):
            seen.append(event)
            if len(seen) == at_most:
                break
    return seen


def test_a_job_is_followed_from_its_queue_to_its_end(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    job_id = studio.begin(studio.upload(pixel_png), secondsTaken=1)
    events = follow(studio, job_id)
    statuses = [event.data["status"] for event in events if event.kind == "status"]
    assert statuses == ["queued", "starting", "processing"]
    percents = [event.data["percent"] for event in events if event.kind == "progress"]
    assert percents == sorted(percents)
    assert len(percents) >= 3
    assert {"level": "info", "message": "stage: copy"} in [
        event.data for event in events if event.kind == "log"
    ]
    (figures,) = [event.data for event in events if event.kind == "metric"]
    assert figures["operation"] == "file_copy"
    assert figures["verification"]["passed"] is True
    last = events[-1]
    assert last.kind == "completed"
    assert last.data == studio.job(job_id)
    assert studio.client.get(last.data["data"]["url"]).content == pixel_png


def test_a_client_that_is_cut_off_sees_each_event_once(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    job_id = studio.begin(studio.upload(pixel_png), secondsTaken=4)
    seen: list[Event] = []
    for _ in range(10):
        seen += follow(studio, job_id, seen[-1].id if seen else None, at_most=1)
    seen += follow(studio, job_id, seen[-1].id)
    assert seen[-1].kind == "completed"
    # Whoever comes late gets the same from the beginning.
    assert follow(studio, job_id) == seen
    ids = [event.id for event in seen]
    assert len(set(ids)) == len(ids)
    after_the_end = studio.client.get(
        f"/api/jobs/{job_id}/events", headers={"Last-Event-ID": ids[-1]}
    )
    assert (after_the_end.status_code, after_the_end.content) == (204, b"")


def test_a_failed_and_a_canceled_job_end_their_streams(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    running = studio.begin(image, secondsTaken=30)
    studio.job_once(running, "processing")
    waiting = studio.begin(image)
    studio.client.post(f"/api/jobs/{waiting}/cancel")
    assert [event.kind for event in follow(studio, waiting)] == ["status", "canceled"]
    studio.client.post(f"/api/jobs/{running}/cancel")
    assert follow(studio, running)[-1].kind == "canceled"
    overdue = studio.begin(image, secondsTaken=30, timeoutSeconds=1)
    failed = follow(studio, overdue)[-1]
    assert failed.kind == "failed"
    assert failed.data["error"]["code"] == "deadline_exceeded"


def test_the_end_is_told_from_storage_when_the_stream_is_gone(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    job_id = studio.copy(studio.upload(pixel_png)).json()["jobId"]
    assert studio.broker.delete(stream_key(str(run_id_of(job_id))))
    (end,) = follow(studio, job_id)
    assert end.kind == "completed"
    again = studio.client.get(f"/api/jobs/{job_id}/events", headers={"Last-Event-ID": end.id})
    assert again.status_code == 204


def test_a_stream_is_bounded(studio: RunningStudio, pixel_png: bytes) -> None:
    job_id = studio.copy(studio.upload(pixel_png)).json()["jobId"]
    key = stream_key(str(run_id_of(job_id)))
    entries = studio.broker.xlen(key)
    assert isinstance(entries, int)
    assert 0 < entries <= STREAM_LENGTH
    lifetime_s = studio.broker.ttl(key)
    assert isinstance(lifetime_s, int)
    assert 0 < lifetime_s <= 24 * 3600


@pytest.mark.parametrize("last_id", ["nonsense", "1-2-3", "-end", "1-1-ends"])
def test_an_id_that_was_never_given(studio: RunningStudio, pixel_png: bytes, last_id: str) -> None:
    job_id = studio.copy(studio.upload(pixel_png)).json()["jobId"]
    answer = studio.client.get(f"/api/jobs/{job_id}/events", headers={"Last-Event-ID": last_id})
    problem_in(answer, 422, "invalid_request")


def test_there_is_nothing_to_follow_of_an_unknown_job(studio: RunningStudio) -> None:
    problem_in(studio.client.get(f"/api/jobs/job_{'0' * 32}/events"), 404, "job_not_found")


def test_a_client_that_hangs_up_leaves_no_connection(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    def followers() -> int:
        rows = studio.broker.client_list()
        assert isinstance(rows, list)
        # A connection that is given back stays open, and is blocked no more.
        return sum(row["cmd"] == "xread" and "b" in row["flags"] for row in rows)

    job_id = studio.begin(studio.upload(pixel_png), secondsTaken=20)
    studio.job_once(job_id, "processing")
    eventually(lambda: followers() == 0)
    with httpx.stream("GET", f"{studio.stack.api_url}/api/jobs/{job_id}/events") as answer:
        lines = answer.iter_lines()
        next(lines)
        eventually(lambda: followers() == 1)
    eventually(lambda: followers() == 0)
    studio.client.post(f"/api/jobs/{job_id}/cancel")
    studio.job_once(job_id, "canceled")
