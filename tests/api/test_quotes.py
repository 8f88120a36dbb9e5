"""``dryRun`` on real servers and a real worker."""

from typing import Any

import pytest
from running_studio import COPY_ROUTE, RunningStudio, problem_in

pytestmark = pytest.mark.stack
TWICE = "/api/pipelines/copy-twice"


def quote(studio: RunningStudio, image: str, **fields: Any) -> dict[str, Any]:
    answer = studio.copy(image, dryRun=True, **fields)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"success", "dryRun", "quote"}
    assert body["dryRun"] is True
    return body["quote"]


def newest_job(studio: RunningStudio) -> str:
    return studio.client.get("/api/jobs", params={"limit": 1}).json()["jobs"][0]["jobId"]


def test_a_quote_tells_what_jobs_like_it_took_and_makes_none(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    for _ in range(2):
        last = studio.copy(image, secondsTaken=0.2).json()["jobId"]
    before = studio.stored_files()
    told = quote(studio, image, secondsTaken=0.2)
    assert newest_job(studio) == last
    assert studio.stored_files() == before
    assert told["operation"] == "file_copy"
    assert 0 < told["estimatedSeconds"] < 60
    assert told["peakRamMiB"] >= 0
    assert told["peakVramMiB"] is None
    assert told["basis"]["jobs"] >= 2
    assert told["queuePosition"] == 1
    assert told["startsInSeconds"] == 0.0
    assert (told["cached"], told["jobId"]) == (False, None)


def test_a_quote_names_the_model_and_its_licence(studio: RunningStudio, pixel_png: bytes) -> None:
    told = quote(studio, studio.upload(pixel_png))
    assert told["models"] == [told["model"]]
    assert told["model"] == {
        "step": "file_copy",
        "name": "copy",
        "version": "1",
        "licence": "Apache-2.0",
        "source": "builtin",
        "sha256": None,
    }


def test_a_quote_is_refused_like_the_request(studio: RunningStudio, pixel_png: bytes) -> None:
    before = studio.stored_files()
    error = problem_in(studio.copy("asset:ast_0", dryRun=True), 422, "invalid_request")
    assert error["field"] == "image"
    image = {"image": ("a", b"just some words")}
    answer = studio.client.post(COPY_ROUTE, files=image, data={"dryRun": "true"})
    problem_in(answer, 415, "unsupported_media")
    answer = studio.client.post(COPY_ROUTE, files={"image": pixel_png}, data={"dryRun": "true"})
    assert answer.json()["dryRun"] is True
    assert studio.stored_files() == before


def test_a_quote_tells_of_the_result_that_is_there(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png + b"quoted")
    assert quote(studio, image, cache=True)["cached"] is False
    job_id = studio.copy(image, cache=True).json()["jobId"]
    told = quote(studio, image, cache=True)
    assert (told["cached"], told["jobId"]) == (True, job_id)
    assert quote(studio, image, cache=False)["cached"] is False


def test_a_quote_tells_the_place_in_line_by_priority(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    blocker = studio.begin(image, secondsTaken=30)
    studio.job_once(blocker, "processing")
    waiting = [studio.begin(image, priority=priority) for priority in (5, 5)]
    places = [quote(studio, image, priority=priority) for priority in (9, 5, 0)]
    assert [place["queuePosition"] for place in places] == [1, 3, 3]
    starts = [place["startsInSeconds"] for place in places]
    # The blocker comes nearer to its end between two quotes, so equal places may differ a little.
    assert starts[0] < min(starts[1:])
    studio.client.post(f"/api/jobs/{blocker}/cancel")
    studio.job_once(waiting[-1], "completed")


def test_a_chain_is_quoted_with_each_step(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png)
    assert studio.client.post(TWICE, json={"image": image}).status_code == 200
    told = studio.client.post(TWICE, json={"image": image, "dryRun": True}).json()["quote"]
    assert [model["step"] for model in told["models"]] == ["file_copy", "again"]
    assert told["estimatedSeconds"] > 0
