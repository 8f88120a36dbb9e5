"""Webhooks from a running studio to a receiver on loopback."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from running_studio import (
    RunningStudio,
    eventually,
    problem_in,
    running_studio,
    settings_for,
)
from webhook_receiver import SECRET, Receiver, webhook_receiver

from api.submission import JobSubmissionService
from api.webhook_post import WebhookPost
from api.webhook_sender import WebhookSender
from resources.artifacts import ArtifactStore
from studio_pipelines.embedded_servers import free_port
from studio_pipelines.instance import open_instance

pytestmark = pytest.mark.stack
PROCESSES = ("broker", "database", "worker-test", "api")
SOON_S = (0.3,) * 100


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    settings = settings_for(
        tmp_path_factory.mktemp("hooked"),
        webhook_secret=SECRET,
        webhook_allow_private_addresses=True,
        webhook_retry_s=SOON_S,
    )
    with running_studio(settings, PROCESSES) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as running:
        yield running


def begin(studio: RunningStudio, receiver: Receiver, image: str, **fields: Any) -> str:
    events = {"events": fields.pop("events")} if "events" in fields else {}
    return studio.begin(image, webhook={"url": receiver.url, **events}, **fields)


def log_of(studio: RunningStudio, job_id: str) -> list[dict[str, Any]]:
    answer = studio.client.get(f"/api/jobs/{job_id}/webhooks")
    assert answer.status_code == 200, answer.text
    assert answer.json()["nextCursor"] is None
    return answer.json()["webhooks"]


def is_ready(studio: RunningStudio) -> bool:
    try:
        return studio.client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def settled(studio: RunningStudio, job_id: str) -> dict[str, Any]:
    """Return the one message about a job once it is pending no more."""

    def look() -> dict[str, Any] | None:
        found = log_of(studio, job_id)
        return found[0] if found and found[0]["status"] != "pending" else None

    return eventually(look)


def test_a_job_that_ends_is_told_with_its_record(
    hooked: RunningStudio, receiver: Receiver, pixel_png: bytes
) -> None:
    job_id = begin(hooked, receiver, hooked.upload(pixel_png))
    message = receiver.first_about(job_id)
    assert message.type == "job.completed"
    record = hooked.job(job_id)
    assert message.data == record
    assert message.body["timestamp"] == record["finishedAt"]
    assert hooked.client.get(message.data["data"]["url"]).content == pixel_png
    entry = settled(hooked, job_id)
    assert (entry["id"], entry["event"], entry["status"]) == (
        message.id,
        "completed",
        "delivered",
    )
    (attempt,) = entry["attempts"]
    assert (attempt["status"], attempt["error"]) == (204, None)
    assert len(receiver.about(job_id)) == 1
    counted = 'studio_webhooks_total{event="completed",status="delivered"}'
    assert eventually(lambda: counted in hooked.client.get("/metrics").text)


def test_messages_of_other_builds_are_sent_or_dropped_and_stop_nobody(
    hooked: RunningStudio, receiver: Receiver, pixel_png: bytes
) -> None:
    due, log = "studio:webhooks:due", "studio:run:earlier:deliveries"
    earlier = {"jobId": "job_earlier", "success": True, "status": "completed"}
    written = {"url": receiver.url, "event": "completed", "created_at_s": 1785000000.5}
    told = {"msg_1": earlier, "msg_2": {"data": "no record"}, "msg_3": None}
    for message_id, data in told.items():
        payload = json.dumps({"type": "job.completed", "data": data})
        text = json.dumps({**written, "id": message_id, "payload": payload})
        hooked.broker.hset(log, message_id, text if data else "{}")
    hooked.broker.zadd(due, {f"earlier/{message_id}": 1.0 for message_id in told} | {"x": 1.0})
    assert receiver.first_about("job_earlier").data == earlier
    eventually(lambda: hooked.broker.zcard(due) == 0)
    assert hooked.broker.hkeys(log) == ["msg_1"]
    job_id = begin(hooked, receiver, hooked.upload(pixel_png))
    assert receiver.first_about(job_id).type == "job.completed"
    counted = 'studio_webhook_records_dropped_total{kind="delivery"} 2'
    assert eventually(lambda: counted in hooked.client.get("/metrics").text)


def test_failures_and_cancels_are_told_and_only_what_is_wanted(
    hooked: RunningStudio, receiver: Receiver, pixel_png: bytes
) -> None:
    image = hooked.upload(pixel_png)
    unwanted = begin(hooked, receiver, image, events=["failed"])
    failed = begin(hooked, receiver, image, refuse=True, events=["failed", "completed"])
    canceled = begin(hooked, receiver, image, secondsTaken=30)
    hooked.client.post(f"/api/jobs/{canceled}/cancel")
    message = receiver.first_about(failed)
    assert message.type == "job.failed"
    assert message.data["error"]["code"] == "unusable_media"
    assert receiver.first_about(canceled).type == "job.canceled"
    hooked.job_once(unwanted, "completed")
    assert receiver.about(unwanted) == []
    assert log_of(hooked, unwanted) == []


def test_a_receiver_that_is_down_for_a_while_gets_each_message_once(
    hooked: RunningStudio, pixel_png: bytes
) -> None:
    port, image = free_port(), hooked.upload(pixel_png)
    url = f"http://127.0.0.1:{port}/hook"
    jobs = [hooked.begin(image, webhook={"url": url}) for _ in range(3)]

    def all_were_tried() -> bool:
        return all(
            [entry["attempts"] for entry in log_of(hooked, job_id)] not in ([], [[]])
            for job_id in jobs
        )

    eventually(all_were_tried)
    entry = log_of(hooked, jobs[0])[0]
    assert entry["status"] == "pending"
    assert entry["nextTryAt"] is not None
    assert "No connection" in entry["attempts"][0]["error"]
    with webhook_receiver(port) as receiver:
        receiver.answers += [500, 302]
        for job_id in jobs:
            receiver.first_about(job_id)
            assert settled(hooked, job_id)["status"] == "delivered"
        ids = [message.id for message in receiver.messages]
    assert len(set(ids)) == 3
    assert len(ids) == 5  # two of them were answered with what is no success


def test_a_receiver_that_wants_no_more_is_left_alone(
    hooked: RunningStudio, receiver: Receiver, pixel_png: bytes
) -> None:
    receiver.answers += [410]
    job_id = begin(hooked, receiver, hooked.upload(pixel_png))
    entry = settled(hooked, job_id)
    assert (entry["status"], entry["nextTryAt"]) == ("given_up", None)
    assert [attempt["status"] for attempt in entry["attempts"]] == [410]


def test_a_message_is_sent_once_more_on_request(
    hooked: RunningStudio, receiver: Receiver, pixel_png: bytes
) -> None:
    job_id = begin(hooked, receiver, hooked.upload(pixel_png))
    first = receiver.first_about(job_id)
    settled(hooked, job_id)
    path = f"/api/jobs/{job_id}/webhooks/{first.id}/redeliver"
    answer = hooked.client.post(path)
    assert answer.status_code == 202, answer.text
    assert answer.json()["webhook"]["status"] == "pending"
    again = eventually(lambda: receiver.about(job_id)[1:])
    assert again == [first]
    eventually(lambda: len(log_of(hooked, job_id)[0]["attempts"]) == 2)
    unknown = hooked.client.post(f"/api/jobs/{job_id}/webhooks/msg_0/redeliver")
    problem_in(unknown, 404, "webhook_not_found")
    nothing = "job_" + "0" * 32
    problem_in(hooked.client.get(f"/api/jobs/{nothing}/webhooks"), 404, "job_not_found")


def test_an_answer_from_the_cache_is_told_too(
    hooked: RunningStudio, receiver: Receiver, pixel_png: bytes
) -> None:
    image = hooked.upload(pixel_png + b"told from the cache")
    first = hooked.copy(image, cache=True).json()["jobId"]
    hook = {"url": receiver.url}
    for _ in range(2):
        again = hooked.copy(image, cache=True, webhook=hook, **{"async": True})
        assert (again.status_code, again.json()["jobId"]) == (200, first)
    eventually(lambda: len(receiver.about(first)) == 2)


def test_a_request_that_is_sent_again_subscribes_once(
    hooked: RunningStudio, receiver: Receiver, pixel_png: bytes
) -> None:
    body = {"image": hooked.upload(pixel_png), "webhook": {"url": receiver.url}}
    headers = {"Idempotency-Key": "one subscription"}
    answers = [hooked.client.post("/api/test/copy", json=body, headers=headers) for _ in range(3)]
    (job_id,) = {answer.json()["jobId"] for answer in answers}
    settled(hooked, job_id)
    assert len(log_of(hooked, job_id)) == len(receiver.about(job_id)) == 1


def test_a_job_that_is_done_once_more_is_told_once_more(
    hooked: RunningStudio, receiver: Receiver, pixel_png: bytes
) -> None:
    job_id = begin(hooked, receiver, hooked.upload(pixel_png))
    first = receiver.first_about(job_id)
    again = hooked.client.post(f"/api/jobs/{job_id}/retry").json()["jobId"]
    assert receiver.first_about(again).id != first.id


def test_several_senders_send_each_message_once(
    hooked: RunningStudio,
    receiver: Receiver,
    pixel_png: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DAGSTER_HOME", "STUDIO_DATABASE_URL", "STUDIO_REDIS_URL"):
        monkeypatch.setenv(name, hooked.stack.env[name])
    instance, redis_url = open_instance(waits=False), hooked.stack.env["STUDIO_REDIS_URL"]
    store = ArtifactStore(url=hooked.stack.settings.asset_url)
    jobs = JobSubmissionService(instance, redis_url, store)
    post = WebhookPost.of(hooked.stack.settings)
    image = hooked.upload(pixel_png)

    async def beside_the_apis_own() -> list[str]:
        senders = [WebhookSender(jobs, redis_url, post, SOON_S) for _ in range(3)]
        tasks = [asyncio.create_task(sender.run()) for sender in senders]
        begun = [await asyncio.to_thread(begin, hooked, receiver, image) for _ in range(10)]
        for job_id in begun:
            await asyncio.to_thread(settled, hooked, job_id)
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return begun

    begun = asyncio.run(beside_the_apis_own())
    assert [len(receiver.about(job_id)) for job_id in begun] == [1] * 10
    instance.dispose()


def test_progress_is_told_as_it_goes(
    hooked: RunningStudio, receiver: Receiver, pixel_png: bytes
) -> None:
    job_id = begin(
        hooked,
        receiver,
        hooked.upload(pixel_png),
        secondsTaken=5,
        events=["progress", "completed"],
    )
    eventually(lambda: [one for one in receiver.about(job_id) if one.type == "job.completed"])
    told = [one for one in receiver.about(job_id) if one.type == "job.progress"]
    percents = [one.data["percent"] for one in told]
    assert 2 <= len(told) <= 4
    assert percents == sorted(percents)
    assert told[0].data["stage"] == "copy"
    assert len({one.id for one in receiver.about(job_id)}) == len(told) + 1


def test_messages_outlive_the_service_and_the_broker(
    hooked: RunningStudio, pixel_png: bytes
) -> None:
    port, image = free_port(), hooked.upload(pixel_png)
    url = f"http://127.0.0.1:{port}/hook"
    tried = hooked.begin(image, webhook={"url": url})
    eventually(lambda: log_of(hooked, tried) and log_of(hooked, tried)[0]["attempts"])
    running = hooked.begin(image, webhook={"url": url}, secondsTaken=2)
    hooked.job_once(running, "processing")
    for name in ("api", "broker"):
        hooked.process(name).kill()
    eventually(lambda: is_ready(hooked), timeout_s=30)
    with webhook_receiver(port) as receiver:
        for job_id in (tried, running):
            # What was being sent comes into sight again after half a minute.
            message = eventually(lambda job=job_id: receiver.about(job), timeout_s=60)[0]
            assert message.type == "job.completed"


@pytest.mark.parametrize(
    ("webhook", "field", "code"),
    [
        ({"url": "http://127.0.0.1/"}, "webhook.url", "url_refused"),
        ({"url": "http://[::ffff:169.254.169.254]/"}, "webhook.url", "url_refused"),
        ({"url": "http://2130706433/"}, "webhook.url", "url_refused"),
        ({"url": "https://localhost/"}, "webhook.url", "url_refused"),
        ({"url": "https://8.8.8.8:6379/"}, "webhook.url", "url_refused"),
        ({"url": "ftp://8.8.8.8/"}, "webhook.url", "url_refused"),
        ({"url": "https://nobody.invalid/"}, "webhook.url", "url_unavailable"),
        ({"url": "https://8.8.8.8/", "events": ["started"]}, "webhook.events.0", "invalid_request"),
        ({"url": "https://8.8.8.8/", "events": []}, "webhook.events", "invalid_request"),
        ({}, "webhook.url", "invalid_request"),
        ({"url": "https://8.8.8.8/", "secret": "x"}, "webhook.secret", "invalid_request"),
    ],
)
def test_where_no_message_goes(
    studio: RunningStudio, pixel_png: bytes, webhook: dict[str, Any], field: str, code: str
) -> None:
    answer = studio.copy(studio.upload(pixel_png), webhook=webhook)
    assert problem_in(answer, 422, code)["field"] == field
