"""Faults as problem documents, through the app that FastAPI really runs."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest
import structlog
from fastapi import FastAPI
from running_studio import RunningStudio

from api.errors import RETRY_AFTER_S, NotBuilt, WorkersAway, install_error_handlers
from studio_pipelines.errors import StudioError, UnusableMedia
from studio_pipelines.log_format import set_log_format

SECRET = "/srv/secret/path"


@pytest.fixture
def client() -> httpx.Client:
    """A client of an app whose routes fail."""
    from fastapi.testclient import TestClient

    app = FastAPI()
    install_error_handlers(app)

    @app.get("/fails/{how}")
    async def fails(how: str, count: int = 0) -> None:
        raise {
            "media": UnusableMedia("It is empty.", field="image", hint="Send another."),
            "away": WorkersAway("Nobody is there."),
            "unbuilt": NotBuilt("Not yet."),
            "plain": StudioError("It did not work."),
            "crash": FileNotFoundError(SECRET),
        }[how]

    return TestClient(app, raise_server_exceptions=False)


def test_a_fault_is_a_whole_problem_document(client: httpx.Client) -> None:
    answer = client.get("/fails/media")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:studio:problem:unusable_media",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "It is empty.",
        "instance": "/fails/media",
        "success": False,
        "error": {
            "code": "unusable_media",
            "message": "It is empty.",
            "field": "image",
            "hint": "Send another.",
        },
    }


@pytest.mark.parametrize(
    ("how", "status", "retries"),
    [("away", 503, True), ("unbuilt", 501, False), ("plain", 500, False), ("media", 422, False)],
)
def test_only_what_passes_asks_to_try_again(
    client: httpx.Client, how: str, status: int, retries: bool
) -> None:
    answer = client.get(f"/fails/{how}")
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == (str(RETRY_AFTER_S) if retries else None)


def test_an_unforeseen_fault_tells_nothing_of_the_inside(client: httpx.Client) -> None:
    answer = client.get("/fails/crash")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert SECRET not in answer.text
    assert "FileNotFound" not in answer.text


def test_faults_that_the_framework_finds_look_the_same(client: httpx.Client) -> None:
    answer = client.get("/fails/media", params={"count": "many"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_request"
    assert answer.json()["error"]["field"] == "count"
    missing = client.get("/elsewhere")
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "not_found"


@pytest.mark.stack
def test_an_upload_that_breaks_off_holds_nobody_up_and_fills_no_log(studio: RunningStudio) -> None:
    log = studio.stack.data_dir / "logs" / "api.log"
    before = log.stat().st_size
    parts = urlsplit(studio.stack.api_url)
    for _ in range(5):
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(
                b"POST /api/assets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\nabc"
            )
            assert studio.client.get("/healthz", timeout=5).status_code == 200
    assert studio.client.get("/healthz", timeout=5).status_code == 200
    assert "Traceback" not in log.read_bytes()[before:].decode()


def test_a_traceback_in_the_log_has_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    set_log_format()
    token = "sk_" + "very-secret" * 2
    try:
        {}[len(token)]
    except KeyError:
        structlog.get_logger("test").exception("it failed")
    structlog.reset_defaults()
    written = capsys.readouterr().out
    assert "it failed" in written
    assert "KeyError" in written
    assert token not in written
