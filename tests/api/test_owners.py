"""What is whose: another key's things are not there."""

from typing import Any

import pytest
from keyed_studio import KeyedStudio
from running_studio import COPY_ROUTE, RunningStudio, eventually, problem_in

pytestmark = pytest.mark.stack


def test_another_keys_jobs_and_assets_are_not_there(
    ada: RunningStudio, bob: RunningStudio, admin: RunningStudio, pixel_png: bytes
) -> None:
    image = ada.upload(pixel_png)
    done = ada.copy(image).json()
    job, made = done["jobId"], done["data"]["assets"]["copy"]["id"]
    for method, path in (
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/recipe"),
        ("GET", "/webhooks"),
        ("POST", "/webhooks/msg_1/redeliver"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("DELETE", ""),
    ):
        answer = bob.client.request(method, f"/api/jobs/{job}{path}")
        problem_in(answer, 404, "job_not_found")
    for asset in (image.removeprefix("asset:"), made):
        for method, path in (("GET", ""), ("HEAD", ""), ("GET", "/metadata"), ("DELETE", "")):
            answer = bob.client.request(method, f"/api/assets/{asset}{path}")
            assert answer.status_code == 404, (method, path)
        unknown = problem_in(bob.copy("asset:ast_" + "0" * 24), 422, "invalid_request")
        error = problem_in(bob.copy(f"asset:{asset}"), 422, "invalid_request")
        assert error["message"].replace(asset, "") == unknown["message"].replace(
            "ast_" + "0" * 24, ""
        )
        assert ada.client.get(f"/api/assets/{asset}").content == pixel_png
        assert admin.client.get(f"/api/assets/{asset}").content == pixel_png
    assert admin.job(job)["status"] == ada.job(job)["status"] == "completed"


def test_lists_show_ones_own_and_an_admin_everything(
    ada: RunningStudio, bob: RunningStudio, admin: RunningStudio, pixel_png: bytes
) -> None:
    first, second = (one.copy(one.upload(pixel_png)).json()["jobId"] for one in (ada, bob))

    def listed(studio: RunningStudio) -> list[str]:
        jobs = studio.client.get("/api/jobs", params={"limit": 100}).json()["jobs"]
        return [job["jobId"] for job in jobs]

    assert first in listed(ada)
    assert second not in listed(ada)
    assert second in listed(bob)
    assert {first, second} <= set(listed(admin))
    error = problem_in(
        bob.client.get("/api/jobs", params={"cursor": first}), 422, "invalid_request"
    )
    assert error["field"] == "cursor"


def test_results_and_idempotency_keys_are_each_keys_own(
    ada: RunningStudio, bob: RunningStudio, pixel_png: bytes
) -> None:
    picture = pixel_png + b"own"
    mine = ada.copy(ada.upload(picture), cache=True).json()
    his = bob.copy(bob.upload(picture), cache=True).json()
    assert mine["jobId"] != his["jobId"]
    assert (mine["cached"], his["cached"]) == (False, False)
    assert ada.copy(ada.upload(picture), cache=True).json()["cached"] is True

    def send(studio: RunningStudio) -> dict[str, Any]:
        body = {"image": studio.upload(picture)}
        headers = {"Idempotency-Key": "the same for both"}
        return studio.client.post(COPY_ROUTE, json=body, headers=headers).json()

    assert send(ada)["jobId"] != send(bob)["jobId"]


def test_equal_bytes_of_two_owners_are_stored_once(
    keyed: KeyedStudio, ada: RunningStudio, bob: RunningStudio, pixel_png: bytes
) -> None:
    data = pixel_png + b"once"
    ada.upload(data)
    before = keyed.studio.stored_files()
    bob.upload(data)
    new = keyed.studio.stored_files() - before
    assert [path for path in new if "/blobs/" in path] == []
    assert len(new) == 2  # its record and its mark


def test_a_job_done_again_by_an_admin_stays_its_owners(
    ada: RunningStudio, bob: RunningStudio, admin: RunningStudio, pixel_png: bytes
) -> None:
    job = ada.copy(ada.upload(pixel_png)).json()["jobId"]
    again = admin.client.post(f"/api/jobs/{job}/retry").json()["jobId"]
    assert ada.job_once(again, "completed")["retriedFrom"] == job
    problem_in(bob.client.get(f"/api/jobs/{again}"), 404, "job_not_found")


def test_a_key_in_place_of_another_has_what_that_one_had(
    keyed: KeyedStudio, pixel_png: bytes
) -> None:
    old, key = keyed.with_key()
    image = old.upload(pixel_png)
    new, _ = keyed.with_key(owner=key.owner)
    assert new.copy(image).status_code == 200


def test_the_workers_tell_what_they_do_only_to_whom_it_belongs(
    ada: RunningStudio, bob: RunningStudio, admin: RunningStudio, pixel_png: bytes
) -> None:
    job_id = ada.begin(ada.upload(pixel_png), secondsTaken=30)
    ada.job_once(job_id, "processing")
    eventually(lambda: ada.row()["currentJob"] == job_id)
    assert admin.row()["currentJob"] == job_id
    assert (bob.row()["status"], bob.row()["currentJob"]) == ("busy", None)
    ada.client.post(f"/api/jobs/{job_id}/cancel")
