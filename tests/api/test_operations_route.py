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


@pytest.mark.parametrize("route", ["/api/depth/estimate", "/api/video/stabilize"])
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
    assert {"image", "secondsTaken", "refuse", "async", "priority", "timeoutSeconds"} == set(
        copier["schema"]["properties"]
    )
    assert rows["depth-estimator"]["built"] is False
