"""``POST /api/<studio>/<verb>`` on real servers and a real worker."""

import base64
import time

import pytest
from running_studio import COPY_ROUTE, RunningStudio, problem_in

pytestmark = pytest.mark.stack


def test_a_synchronous_call_answers_with_the_result(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    answer = studio.copy(studio.upload(pixel_png))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True
    assert body["status"] == "completed"
    assert body["cached"] is False
    data = body["data"]
    assert list(data["assets"]) == ["copy"]
    assert data["url"] == data["assets"]["copy"]["url"]
    assert data["assets"]["copy"]["mediaType"] == "image/png"
    assert data["assets"]["copy"]["bytes"] == len(pixel_png)
    assert data["verification"] == {"passed": True}
    assert data["metrics"]["bytes"] == len(pixel_png)
    assert data["model"] == {
        "name": "copy",
        "version": "1",
        "licence": "Apache-2.0",
        "source": "builtin",
    }
    timings = data["timings"]
    assert timings["totalMs"] >= timings["runMs"] > 0
    assert studio.client.get(data["url"]).content == pixel_png
    assert studio.job(body["jobId"])["data"] == data


def test_an_asynchronous_call_answers_at_once_and_says_where_to_look(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    answer = studio.copy(studio.upload(pixel_png), **{"async": True})
    assert answer.status_code == 202
    job_id = answer.json()["jobId"]
    assert answer.json() == {"success": True, "jobId": job_id, "status": "queued"}
    assert answer.headers["location"] == f"/api/jobs/{job_id}"
    assert studio.job_once(job_id, "completed")["operation"] == "file_copy"


def test_a_call_that_outlasts_the_wait_tells_the_true_state_and_goes_on(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    answer = studio.copy(studio.upload(pixel_png), secondsTaken=5.5)
    assert answer.status_code == 202
    assert answer.json()["status"] == "processing"
    job_id = answer.json()["jobId"]
    assert answer.headers["location"] == f"/api/jobs/{job_id}"
    assert studio.job_once(job_id, "completed")["progress"] == {"percent": 100.0, "stage": "done"}


def test_a_synchronous_failure_is_a_problem_and_the_record_has_the_same(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    answer = studio.copy(studio.upload(pixel_png), refuse=True)
    error = problem_in(answer, 422, "unusable_media")
    assert error == {
        "code": "unusable_media",
        "message": "image: refused on request.",
        "field": "image",
        "hint": "Do not ask for it.",
    }
    assert answer.json()["instance"] == COPY_ROUTE
    record = studio.job(answer.json()["jobId"])
    assert record["status"] == "failed"
    assert record["error"] == {"status": 422, **error}


def test_a_job_over_its_deadline_fails_and_the_worker_lives(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    image = studio.upload(pixel_png)
    job_id = studio.begin(image, secondsTaken=30, timeoutSeconds=1)
    record = studio.job_once(job_id, "failed", "canceled", "completed")
    assert record["status"] == "failed"
    assert record["error"]["code"] == "deadline_exceeded"
    assert "1 s" in record["error"]["message"]
    assert studio.copy(image).status_code == 200


@pytest.mark.parametrize("route", ["/api/audio/tts", "/api/video/stabilize"])
def test_an_operation_that_is_not_built_says_so(studio: RunningStudio, route: str) -> None:
    error = problem_in(studio.client.post(route, json={}), 501, "not_built")
    assert "not built yet" in error["message"]
    assert COPY_ROUTE in error["hint"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"seconds_taken_": 1}, "secondsTaken"),
        ({"secondsTaken": -1}, "secondsTaken"),
        ({"secondsTaken": "soon"}, "secondsTaken"),
        ({"priority": 10}, "priority"),
        ({"image": "asset:ast_000000000000000000000000"}, "image"),
        ({"image": "asset:../../stack.lock"}, "image"),
        ({"image": "/etc/passwd"}, "image"),
        ({"image": None}, "image"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(
    studio: RunningStudio, pixel_png: bytes, fields: dict[str, object], named: str
) -> None:
    answer = studio.client.post(COPY_ROUTE, json={"image": studio.upload(pixel_png), **fields})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_request"
    if named in fields:
        assert answer.json()["error"]["field"] == named


def test_a_missing_input_is_named(studio: RunningStudio) -> None:
    answer = studio.client.post(COPY_ROUTE, json={})
    assert problem_in(answer, 422, "invalid_request")["field"] == "image"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"image"', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_a_bad_request(studio: RunningStudio, body: bytes) -> None:
    problem_in(studio.client.post(COPY_ROUTE, content=body), 400, "bad_json")


def test_another_kind_of_media_is_refused_before_any_run(studio: RunningStudio) -> None:
    audio = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(32)
    error = problem_in(studio.copy(studio.upload(audio)), 415, "unsupported_media")
    assert error["field"] == "image"
    assert "image is needed" in error["message"]
    unknown = studio.copy(studio.upload(b"just some words"))
    assert "no known kind" in problem_in(unknown, 415, "unsupported_media")["message"]


def test_a_picture_inside_the_request(studio: RunningStudio, pixel_png: bytes) -> None:
    image = "data:image/png;base64," + base64.b64encode(pixel_png).decode()
    answer = studio.copy(image)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["assets"]["copy"]["bytes"] == len(pixel_png)


def test_a_private_address_is_not_fetched(studio: RunningStudio) -> None:
    answer = studio.copy(f"{studio.stack.api_url}/healthz")
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "image"


def test_a_form_carries_the_file_and_its_parameters(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    for form in ({"secondsTaken": "0.1"}, {"params": '{"secondsTaken": 0.1}'}):
        start_s = time.monotonic()
        answer = studio.client.post(COPY_ROUTE, files={"image": ("one.png", pixel_png)}, data=form)
        assert answer.status_code == 200, answer.text
        assert time.monotonic() - start_s >= 0.1
        assert answer.json()["data"]["verification"]["passed"] is True


def test_parameters_in_both_forms_at_once_are_refused(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    answer = studio.client.post(
        COPY_ROUTE,
        files={"image": ("one.png", pixel_png)},
        data={"params": "{}", "secondsTaken": "0"},
    )
    assert problem_in(answer, 422, "invalid_request")["field"] == "params"


def test_an_empty_file_in_a_form_is_refused_and_not_kept(studio: RunningStudio) -> None:
    before = studio.stored_files()
    answer = studio.client.post(COPY_ROUTE, files={"image": ("empty.png", b"")})
    assert problem_in(answer, 422, "unusable_media")["field"] == "image"
    assert studio.stored_files() == before


def test_a_file_over_the_limit_is_refused_and_not_kept(studio: RunningStudio) -> None:
    before = studio.stored_files()
    answer = studio.client.post(
        COPY_ROUTE,
        files={"image": ("large.png", bytes(studio.stack.settings.max_upload_bytes + 1))},
    )
    assert problem_in(answer, 413, "upload_too_large")["field"] == "image"
    assert studio.stored_files() == before


def test_a_form_that_is_refused_leaves_no_file(studio: RunningStudio, pixel_png: bytes) -> None:
    before = studio.stored_files()
    distinct = pixel_png + b"unlike all others"
    answer = studio.client.post(
        COPY_ROUTE, files={"image": ("one.png", distinct)}, data={"colour": "red"}
    )
    assert problem_in(answer, 422, "invalid_request")["field"] == "colour"
    assert studio.stored_files() == before


def test_the_catalogue_has_each_worker_with_its_schema(studio: RunningStudio) -> None:
    rows = {row["worker"]: row for row in studio.client.get("/api/operations").json()["operations"]}
    assert len(rows) == 12
    copier = rows["file-copier"]
    assert copier["built"] is True
    assert copier["route"] == COPY_ROUTE
    assert copier["returns"] == "image"
    assert copier["schema"]["required"] == ["image"]
    assert set(copier["schema"]["properties"]) == {
        *("image", "secondsTaken", "refuse"),
        *("async", "priority", "schedule", "timeoutSeconds", "cache", "dryRun", "webhook"),
    }
    assert rows["video-stabilize"]["built"] is False


def test_a_list_is_one_job_with_each_result_in_its_place(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    other = pixel_png + b"more"
    images = [studio.upload(pixel_png), studio.upload(other)]
    answer = studio.copy(images)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    first, second = data["items"]
    assert studio.client.get(first["url"]).content == pixel_png
    assert studio.client.get(second["url"]).content == other
    assert data["url"] == first["url"] == first["assets"]["copy"]["url"]
    assert second["metrics"]["bytes"] == len(other)
    assert second["verification"] == {"passed": True}
    assert data["verification"] == {"passed": True, "itemsPassed": 2}
    assert data["metrics"] == {"items": 2, "itemsFailed": 0}
    assert data["timings"]["totalMs"] > 0
    assert studio.job(answer.json()["jobId"])["data"] == data


def test_a_list_is_failed_only_if_all_items_fail(studio: RunningStudio, pixel_png: bytes) -> None:
    images = [studio.upload(pixel_png), studio.upload(pixel_png)]
    job_id = studio.begin([images[0]], secondsTaken=1)
    waiting = studio.begin(images)
    # Deleted while the job waits: the item's fault, and no other's.
    gone = studio.client.delete(f"/api/assets/{images[0].removeprefix('asset:')}")
    assert gone.status_code == 200, gone.text
    studio.job_once(job_id, "completed", "failed")
    record = studio.job_once(waiting, "completed", "failed")
    assert record["status"] == "completed"
    assert record["data"]["url"] is None
    assert record["data"]["items"][0]["error"]["code"] == "asset_not_found"
    assert studio.client.get(record["data"]["items"][1]["url"]).content == pixel_png
    answer = studio.copy([images[1], images[1]], refuse=True)
    error = problem_in(answer, 422, "unusable_media")
    assert error["message"].startswith("None of the 2 items could be done. The first: image:")


def test_the_parts_of_a_form_make_a_list(studio: RunningStudio, pixel_png: bytes) -> None:
    files = [("image", (name, pixel_png + name.encode())) for name in ("a", "b", "c")]
    answer = studio.client.post(COPY_ROUTE, files=files)
    assert answer.status_code == 200, answer.text
    told = [studio.client.get(one["url"]).content for one in answer.json()["data"]["items"]]
    assert told == [pixel_png + name for name in (b"a", b"b", b"c")]


def test_a_list_tells_how_far_it_is(studio: RunningStudio, pixel_png: bytes) -> None:
    image = studio.upload(pixel_png)
    job_id = studio.begin([image, image], secondsTaken=0.8)
    seen: dict[str, list[float]] = {}
    while (record := studio.job(job_id))["status"] != "completed":
        assert record["status"] not in ("failed", "canceled"), record
        progress = record["progress"]
        seen.setdefault(progress["stage"], []).append(progress["percent"])
    assert max(seen["copy (1 of 2)"]) <= 50
    assert min(seen["copy (2 of 2)"]) >= 50
