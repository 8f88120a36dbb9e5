"""How much is too much for a key."""

import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from keyed_studio import KeyedStudio
from running_studio import eventually, problem_in

from resources.api_keys import Limits

pytestmark = pytest.mark.stack


def test_requests_beyond_the_rate_wait(keyed: KeyedStudio) -> None:
    user, _ = keyed.with_key(limits=Limits(rate_per_minute=3))
    answers = [user.client.get("/api/jobs") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["ratelimit-policy"] for answer in answers] == ['"requests";q=3;w=60'] * 5
    left = [re.fullmatch(r'"requests";r=(\d);t=(\d+)', one.headers["ratelimit"]) for one in answers]
    assert [match and match[1] for match in left] == ["2", "1", "0", "0", "0"]
    problem_in(answers[3], 429, "rate_limited")
    assert answers[3].json()["violated-policies"] == ["requests"]
    wait_s = int(answers[3].headers["retry-after"])
    assert left[3] is not None
    assert 50 < int(left[3][2]) <= wait_s <= 60
    other, _ = keyed.with_key(limits=Limits(rate_per_minute=3))
    assert other.client.get("/api/none").headers["ratelimit"].startswith('"requests";r=2')


def test_parallel_requests_take_no_more_places_than_there_are(
    keyed: KeyedStudio, pixel_png: bytes
) -> None:
    user, _ = keyed.with_key(limits=Limits(concurrent_jobs=2))
    image = user.upload(pixel_png)

    def ask(_: int) -> httpx.Response:
        return user.copy(image, secondsTaken=30, **{"async": True})

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    taken = [one.json()["jobId"] for one in answers if one.status_code == 202]
    refused = [one for one in answers if one.status_code == 429]
    assert (len(taken), len(refused)) == (2, 6)
    problem_in(refused[0], 429, "too_many_jobs")
    assert int(refused[0].headers["retry-after"]) > 0
    assert refused[0].headers["ratelimit"] == '"concurrent-jobs";r=0;t=5'
    for job_id in taken:
        user.client.post(f"/api/jobs/{job_id}/cancel")
        user.job_once(job_id, "canceled")
    assert user.copy(image).status_code == 200


def test_a_days_jobs_are_used_up_also_if_they_are_forgotten(
    keyed: KeyedStudio, pixel_png: bytes
) -> None:
    user, _ = keyed.with_key(limits=Limits(daily_jobs=2))
    image = user.upload(pixel_png)
    first = user.copy(image).json()["jobId"]
    assert user.copy(image, cache=True).json()["cached"] is True  # costs nothing
    assert user.client.post(f"/api/jobs/{first}/retry").status_code == 202
    assert user.client.delete(f"/api/jobs/{first}").status_code == 204
    answer = user.copy(image)
    problem_in(answer, 429, "quota_used_up")
    assert answer.headers["ratelimit-policy"] == '"daily-jobs";q=2;w=86400'
    assert answer.headers["ratelimit"].startswith('"daily-jobs";r=0;t=')
    assert 0 < int(answer.headers["retry-after"]) <= 86400


def test_a_days_seconds_are_used_up(keyed: KeyedStudio, pixel_png: bytes) -> None:
    user, _ = keyed.with_key(limits=Limits(daily_seconds=1))
    image = user.upload(pixel_png)
    assert user.copy(image, secondsTaken=1.2).status_code == 200
    eventually(lambda: user.copy(image).status_code == 429, timeout_s=5)
    problem_in(user.copy(image), 429, "quota_used_up")
