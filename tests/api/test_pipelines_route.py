"""``/api/pipelines`` on real servers and a real worker."""

from typing import Any

import pytest
from running_studio import RunningStudio, eventually, problem_in

from studio_pipelines.contract.jobs import ItemResult, JobCompleted

pytestmark = pytest.mark.stack
TWICE = "/api/pipelines/copy-twice"
JOIN = "/api/pipelines/copy-join"


def begin(studio: RunningStudio, image: str, **fields: Any) -> str:
    answer = studio.client.post(TWICE, json={"image": image, "async": True, **fields})
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "queued"
    return answer.json()["jobId"]


def content(studio: RunningStudio, url: str) -> bytes:
    return studio.client.get(url).content


def test_a_chain_answers_in_the_same_envelope(studio: RunningStudio, pixel_png: bytes) -> None:
    answer = studio.client.post(TWICE, json={"image": studio.upload(pixel_png)})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["success"], body["status"], body["cached"]) == (True, "completed", False)
    data = body["data"]
    assert list(data["steps"]) == ["file_copy", "again"]
    for step in data["steps"].values():
        assert content(studio, step["url"]) == pixel_png
        assert step["verification"] == {"passed": True}
        assert step["timings"]["runMs"] >= 0
    assert data["url"] == data["steps"]["again"]["url"]
    assert data["assets"] == data["steps"]["again"]["assets"]
    assert data["timings"]["totalMs"] > 0
    record = studio.job(body["jobId"])
    assert record["operation"] == "copy-twice"
    assert record["data"] == data
    listed = studio.client.get("/api/jobs", params={"operation": "copy-twice"}).json()["jobs"]
    assert body["jobId"] in {job["jobId"] for job in listed}
    again = studio.client.post(f"/api/jobs/{body['jobId']}/retry")
    assert again.status_code == 202, again.text
    repeated = studio.job_once(again.json()["jobId"], "completed", "failed")
    assert list(repeated["data"]["steps"]) == ["file_copy", "again"]


def test_a_form_with_files_and_fields_of_steps(studio: RunningStudio, pixel_png: bytes) -> None:
    answer = studio.client.post(
        JOIN, files={"image": ("a.png", pixel_png)}, data={"files_join.between": "*"}
    )
    assert answer.status_code == 200, answer.text
    assert content(studio, answer.json()["data"]["url"]) == pixel_png + b"*" + pixel_png


def test_a_list_goes_through_the_chain(studio: RunningStudio, pixel_png: bytes) -> None:
    images = [studio.upload(pixel_png), studio.upload(pixel_png + b"2")]
    answer = studio.client.post(JOIN, json={"image": images})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert content(studio, data["items"][1]["url"]) == pixel_png + b"2+" + pixel_png + b"2"
    assert len(data["steps"]["file_copy"]["items"]) == 2
    # A list's steps and items tell their times as others do.
    told = JobCompleted.model_validate(answer.json()).data
    assert told.steps is not None
    for step in told.steps.values():
        assert step.items is not None
        times_ms = [item.timings.run_ms for item in step.items if isinstance(item, ItemResult)]
        assert len(times_ms) == 2
        assert step.timings.run_ms == pytest.approx(sum(times_ms), abs=0.11)


def test_a_fault_names_the_step_and_what_was_done_before_stays(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    answer = studio.client.post(TWICE, json={"image": image, "again": {"refuse": True}})
    assert problem_in(answer, 422, "unusable_media")["field"] == "again.image"
    answer = studio.client.post(TWICE, json={"image": image, "file_copy": {"refuse": True}})
    assert problem_in(answer, 422, "unusable_media")["field"] == "image"
    answer = studio.client.post(TWICE, json={"image": image, "again": {"secondsTaken": 99}})
    error = problem_in(answer, 422, "invalid_request")
    assert error["field"] == "again.secondsTaken"
    assert error["hint"] == "GET /api/pipelines has the schemas."


def test_progress_goes_from_step_to_step_and_the_row_that_works_is_busy(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    job_id = begin(
        studio, studio.upload(pixel_png), file_copy={"secondsTaken": 1}, again={"secondsTaken": 1}
    )
    seen: dict[str, list[float]] = {}
    busy = False
    while (record := studio.job(job_id))["status"] != "completed":
        assert record["status"] not in ("failed", "canceled"), record
        seen.setdefault(record["progress"]["stage"], []).append(record["progress"]["percent"])
        row = studio.row()
        busy = busy or (row["status"] == "busy" and row["currentJob"] == job_id)
    assert max(seen["file_copy: copy"]) <= 50
    assert min(seen["again: copy"]) >= 50
    assert busy


def test_a_chain_is_canceled_inside_a_step(studio: RunningStudio, pixel_png: bytes) -> None:
    job_id = begin(studio, studio.upload(pixel_png), again={"secondsTaken": 30})

    def has_come_to_the_second_step() -> bool:
        return studio.job(job_id)["progress"]["stage"].startswith("again")

    eventually(has_come_to_the_second_step)
    assert studio.client.post(f"/api/jobs/{job_id}/cancel").status_code in (200, 202)
    assert studio.job_once(job_id, "canceled", "completed", "failed")["status"] == "canceled"


def test_a_chain_has_one_deadline(studio: RunningStudio, pixel_png: bytes) -> None:
    fields = {"again": {"secondsTaken": 30}, "timeoutSeconds": 1}
    record = studio.job_once(begin(studio, studio.upload(pixel_png), **fields), "failed")
    assert record["error"]["code"] == "deadline_exceeded"
    assert record["error"]["field"] == "timeoutSeconds"


def test_chains_that_wait_are_counted_and_know_their_place(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    first = begin(studio, image, file_copy={"secondsTaken": 3})
    studio.job_once(first, "processing")
    second = begin(studio, image)
    record = studio.job(second)
    assert (record["status"], record["queuePosition"]) == ("queued", 1)
    assert 'studio_queue_depth{operation="copy-twice"} 1.0' in studio.client.get("/metrics").text
    studio.client.post(f"/api/jobs/{first}/cancel")
    assert studio.job_once(second, "completed")
    assert 'studio_jobs_total{operation="copy-twice"' in studio.client.get("/metrics").text


def test_the_chains_are_listed_with_what_they_lack(studio: RunningStudio) -> None:
    listed = studio.client.get("/api/pipelines").json()
    rows = {row["name"]: row for row in listed["pipelines"]}
    assert {"demix-master", "inpaint-grade", "segment-inpaint-grade", "copy-twice"} <= set(rows)
    assert rows["copy-twice"]["built"] is True
    assert rows["copy-twice"]["steps"] == ["file_copy", "again"]
    assert rows["copy-twice"]["schema"]["required"] == ["image"]
    assert rows["copy-nothing"]["built"] is False
    assert rows["copy-nothing"]["missing"] == ["file_find"]
    assert "schema" not in rows["copy-nothing"]


def test_a_chain_that_lacks_an_operation_says_which(studio: RunningStudio) -> None:
    error = problem_in(studio.client.post("/api/pipelines/copy-nothing", json={}), 501, "not_built")
    assert "file_find" in error["message"]
    assert "copy-twice" in error["hint"]
    assert studio.client.post("/api/pipelines/nothing", json={}).status_code == 404


def test_each_chain_is_in_the_openapi_document(studio: RunningStudio) -> None:
    document = studio.client.get("/openapi.json").json()
    paths, schemas = document["paths"], document["components"]["schemas"]
    body = paths[TWICE]["post"]["requestBody"]["content"]
    properties = schemas["CopyTwiceRequest"]["properties"]
    assert set(properties) >= {"image", "file_copy", "again"}
    assert properties["again"]["$ref"].endswith("/CopyTwiceAgain")
    assert schemas["CopyTwiceAgain"]["properties"]["secondsTaken"]["maximum"] == 60
    assert body["application/json"]["examples"]["slow"]["value"]["again"] == {"secondsTaken": 2}
    assert "image" in schemas["CopyTwiceForm"]["properties"]
    assert paths[TWICE]["post"]["summary"] == "Copy a file, and copy the copy"
