"""Who is let in by a studio that asks for keys."""

import re
import time

import pytest
from keyed_studio import KeyedStudio
from running_studio import RunningStudio, eventually, problem_in

pytestmark = pytest.mark.stack


def every_guarded_route(studio: RunningStudio) -> list[tuple[str, str]]:
    document = studio.client.get("/openapi.json").json()
    return [
        (method, re.sub(r"\{\w+\}", "x", path))
        for path, methods in document["paths"].items()
        for method in methods
        if path not in ("/healthz", "/readyz")
    ]


def test_no_route_but_the_open_ones_answers_without_a_key(keyed: KeyedStudio) -> None:
    routes = every_guarded_route(keyed.studio)
    assert len(routes) > 25
    for method, path in [*routes, ("GET", "/metrics"), ("GET", "/api/none"), ("GET", "/x")]:
        answer = keyed.nobody.request(method, path)
        problem_in(answer, 401, "key_missing")
        assert answer.headers["www-authenticate"] == 'Bearer realm="studio"'
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
        assert keyed.nobody.get(path).status_code == 200


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Basic c2tfMTpw", "Bearer sk_no", "Bearer sk_" + "é" * 43]
)
def test_what_is_no_key_is_refused(keyed: KeyedStudio, given: str) -> None:
    answer = keyed.nobody.get("/api/jobs", headers={"Authorization": given.encode()})
    problem_in(answer, 401, "key_invalid")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_key_with_a_changed_end_is_none(keyed: KeyedStudio) -> None:
    user, _ = keyed.with_key()
    given = user.client.headers["authorization"]
    changed = given[:-1] + ("A" if given[-1] != "A" else "B")
    answer = keyed.nobody.get("/api/jobs", headers={"Authorization": changed})
    problem_in(answer, 401, "key_invalid")
    assert user.client.get("/api/jobs").status_code == 200


def test_a_revoked_key_is_refused_within_seconds(keyed: KeyedStudio) -> None:
    user, key = keyed.with_key()
    assert user.client.get("/api/jobs").status_code == 200
    keyed.ring.revoke(key.name)
    eventually(lambda: user.client.get("/api/jobs").status_code == 401, timeout_s=5)
    assert "revoked" in problem_in(user.client.get("/api/jobs"), 401, "key_invalid")["message"]


def test_an_expired_key_is_refused(keyed: KeyedStudio) -> None:
    user, _ = keyed.with_key(expires_at_s=time.time() - 1)
    assert "expired" in problem_in(user.client.get("/api/jobs"), 401, "key_invalid")["message"]


def test_a_key_is_for_its_operations_alone(keyed: KeyedStudio, pixel_png: bytes) -> None:
    user, _ = keyed.with_key("audio_master")
    image = user.upload(pixel_png)
    answer = user.copy(image)
    assert "file_copy" in problem_in(answer, 403, "not_in_scope")["message"]
    assert 'error="insufficient_scope", scope="file_copy"' in answer.headers["www-authenticate"]
    problem_in(user.client.get("/metrics"), 403, "not_in_scope")
    other, _ = keyed.with_key("file_copy")
    assert other.copy(other.upload(pixel_png)).status_code == 200
    problem_in(other.client.post("/api/pipelines/copy-twice", json={}), 403, "not_in_scope")
    scraper, _ = keyed.with_key("metrics")
    assert scraper.client.get("/metrics").status_code == 200
    problem_in(scraper.copy(scraper.upload(pixel_png)), 403, "not_in_scope")
