"""Deciding when a message is sent again, and signing it."""

import json
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from api.asset_links import AssetLinks
from api.fetch_policy import FetchPolicy
from api.webhook_post import Attempt, WebhookPost, own_secret
from api.webhook_sender import JITTER, after, body_of
from resources.webhook_records import Delivery, UnreadableRecord
from studio_pipelines.settings import load_settings

WAITS_S = (5.0, 30.0)


def attempt(status: int | None) -> Attempt:
    return Attempt("2026-01-01T00:00:00+00:00", status, None if status else "no answer", 1.0)


def delivery() -> Delivery:
    return Delivery("msg_1", "https://example.org/", "completed", "{}", time.time())


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_success_ends_it(status: int) -> None:
    done = after(delivery(), attempt(status), WAITS_S)
    assert (done.status, done.tries, done.next_try_at_s) == ("delivered", 1, None)


@pytest.mark.parametrize("status", [None, 301, 400, 404, 429, 500, 503])
def test_a_failure_is_tried_again_until_the_waits_are_used_up(status: int | None) -> None:
    stands = delivery()
    for tries, wait_s in enumerate(WAITS_S, start=1):
        stands = after(stands, attempt(status), WAITS_S, spread=lambda low, high: high)
        assert (stands.status, stands.tries) == ("pending", tries)
        assert stands.next_try_at_s is not None
        assert stands.next_try_at_s - time.time() == pytest.approx(wait_s * (1 + JITTER), abs=1)
    stands = after(stands, attempt(status), WAITS_S)
    assert (stands.status, stands.tries, stands.next_try_at_s) == ("given_up", 3, None)
    assert len(stands.attempts) == 3


def test_a_receiver_that_is_gone_ends_it() -> None:
    assert after(delivery(), attempt(410), WAITS_S).status == "given_up"


def test_the_usual_waits_take_a_day_and_no_more() -> None:
    waits_s = load_settings().webhook_retry_s
    assert list(waits_s) == sorted(waits_s)
    assert sum(waits_s) > 20 * 3600
    assert sum(waits_s) * (1 + JITTER) < 27 * 3600


def test_a_signature_is_what_the_public_library_verifies(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    post = WebhookPost(FetchPolicy(), own_secret(tmp_path))
    payload = '{"type": "job.completed", "data": {"name": "é"}}'
    headers = post._headers("msg_1", datetime.now(UTC), payload)
    verified = Webhook(own_secret(tmp_path)).verify(payload, headers)
    assert verified["data"]["name"] == "é"


def test_the_secret_is_drawn_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        drawn = set(threads.map(lambda _: own_secret(tmp_path), range(16)))
    assert len(drawn) == 1
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == drawn.pop()


LINKS = AssetLinks("http://studio.example/")
IMAGE = {"id": "ast_1", "bytes": 3}


def message(data: object) -> Delivery:
    return replace(delivery(), payload=json.dumps({"type": "job.completed", "data": data}))


def test_a_body_has_the_urls_of_now() -> None:
    record = {"status": "completed", "data": {"main": "image", "assets": {"image": IMAGE}}}
    told = json.loads(body_of(message(record), LINKS))["data"]
    assert told["success"] is True
    assert told["data"]["url"] == "http://studio.example/api/assets/ast_1"


def test_a_body_of_the_first_build_goes_as_it_was_written() -> None:
    url = "http://old.example/api/assets/ast_1"
    record = {
        "success": True,
        "status": "completed",
        "data": {"url": url, "assets": {"image": {**IMAGE, "url": url}}},
    }
    assert json.loads(body_of(message(record), LINKS))["data"] == record


@pytest.mark.parametrize(
    "payload", ["", "null", "[]", "{}", '{"data": 3}', '{"data": {"data": 1}}']
)
def test_a_body_that_is_no_record_is_told_apart(payload: str) -> None:
    with pytest.raises(UnreadableRecord):
        body_of(replace(delivery(), payload=payload), LINKS)
