"""The typed client against a real studio, and against one that misbehaves on request."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from running_studio import RunningStudio, eventually

from studio_pipelines import client as studio_client
from studio_pipelines.client import Studio, events, transport
from studio_pipelines.contract.assets import Asset
from studio_pipelines.contract.events import WebhookDeliveries
from studio_pipelines.contract.jobs import Job, JobPage
from studio_pipelines.contract.quotes import JobRecipe, QuoteAnswer
from studio_pipelines.contract.service import (
    OperationList,
    PipelineList,
    Readiness,
    WorkersStatus,
)

Respond = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def client(studio: RunningStudio) -> Iterator[Studio]:
    with Studio(studio.stack.api_url) as client:
        yield client


@pytest.fixture
def picture(tmp_path: Path, pixel_png: bytes) -> Path:
    """A picture that no other test has, so that no earlier job answers."""
    path = tmp_path / "one.png"
    path.write_bytes(pixel_png + tmp_path.name.encode())
    return path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "FIRST_PAUSE_S", 0.01)


@pytest.mark.stack
def test_a_path_goes_up_and_the_result_comes_down(
    client: Studio, picture: Path, tmp_path: Path
) -> None:
    seen: list[tuple[float, str]] = []
    job = client.run(
        "file_copy",
        image=picture,
        seconds_taken=0.7,
        on_progress=lambda percent, stage: seen.append((percent, stage)),
    )
    assert job.status == "completed"
    assert job.data is not None
    assert job.data.verification["passed"] is True
    made = client.download(job.data.assets["copy"], tmp_path / "made.png")
    assert made.read_bytes() == picture.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert [percent for percent, _ in seen] == sorted(percent for percent, _ in seen)
    assert {"queued", "processing", "copy"} <= {stage for _, stage in seen}


@pytest.mark.stack
def test_paths_in_lists_and_in_steps_go_up_too(client: Studio, picture: Path) -> None:
    job = client.run("test/copy", image=[picture, picture])
    assert job.data is not None
    assert job.data.items is not None
    assert len(job.data.items) == 2
    chained = client.run("copy-twice", image=picture, again={"secondsTaken": 0.1})
    assert chained.data is not None
    assert chained.data.steps is not None
    assert list(chained.data.steps) == ["file_copy", "again"]


@pytest.mark.stack
@pytest.mark.parametrize("name", ["file_copy", "file-copier", "/api/test/copy", "copy"])
def test_an_operation_has_several_names(client: Studio, name: str) -> None:
    assert client.runnable(name).name == "file_copy"


@pytest.mark.stack
def test_a_name_of_several_or_of_none_is_told(client: Studio) -> None:
    with pytest.raises(studio_client.UnknownOperation, match="audio_demix, audio_master"):
        client.runnable("audio")
    with pytest.raises(studio_client.UnknownOperation) as none:
        client.runnable("nothing")
    assert "grading_apply" in str(none.value.hint)
    assert client.runnable("grading").name == "grading_apply"
    assert client.runnable("demix-master").route == "/api/pipelines/demix-master"
    assert client.runnable("stabilize").built is False


@pytest.mark.stack
def test_what_is_refused_is_an_exception_that_says_what_and_what_to_do(
    client: Studio, picture: Path, tmp_path: Path
) -> None:
    with pytest.raises(studio_client.RequestRefused) as refused:
        client.submit("file_copy", image=picture, seconds_taken=99)
    assert (refused.value.code, refused.value.field) == ("invalid_request", "secondsTaken")
    assert refused.value.status == 422
    words = tmp_path / "words.txt"
    words.write_text("no picture")
    with pytest.raises(studio_client.MediaRefused) as media:
        client.submit("file_copy", image=words)
    assert (media.value.code, media.value.field) == ("unsupported_media", "image")
    with pytest.raises(studio_client.NotFound, match="job_0"):
        client.job("job_0")
    with pytest.raises(studio_client.NotFound):
        client.download("ast_0", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(studio_client.ServiceFailed) as unbuilt:
        client.submit("stabilize", image=picture)
    assert unbuilt.value.code == "not_built"


@pytest.mark.stack
def test_a_job_that_fails_is_an_exception_with_its_fault(client: Studio, picture: Path) -> None:
    with pytest.raises(studio_client.JobFailed) as failed:
        client.run("file_copy", image=picture, refuse=True)
    fault = failed.value
    assert (fault.code, fault.field, fault.hint) == (
        "unusable_media",
        "image",
        "Do not ask for it.",
    )
    assert client.job(str(fault.job_id)).status == "failed"


@pytest.mark.stack
def test_a_job_is_stopped_repeated_listed_and_forgotten(client: Studio, picture: Path) -> None:
    job = client.submit("file_copy", image=picture, seconds_taken=30, cache=False)
    assert client.cancel(job.job_id).status in ("canceled", "cancel_requested")
    with pytest.raises(studio_client.JobCanceled):
        client.wait(job)
    again = client.retry(job.job_id)
    assert again.retried_from == job.job_id
    client.cancel(again.job_id)
    eventually(lambda: client.job(again.job_id).has_ended)
    listed = list(client.jobs(status="canceled", operation="file_copy", page_size=1))
    assert [one.job_id for one in listed[:2]] == [again.job_id, job.job_id]
    client.forget(job.job_id)
    with pytest.raises(studio_client.NotFound):
        client.job(job.job_id)


@pytest.mark.stack
def test_a_request_that_is_sent_again_is_one_job(client: Studio, picture: Path) -> None:
    reference = f"asset:{client.upload(picture).id}"
    fields = {"image": reference, "seconds_taken": 0.2, "cache": False}
    first = client.submit("file_copy", idempotency_key="my own", **fields)
    assert client.submit("file_copy", idempotency_key="my own", **fields).job_id == first.job_id
    assert client.submit("file_copy", **fields).job_id != first.job_id
    with pytest.raises(studio_client.Conflict):
        client.submit("file_copy", idempotency_key="my own", image=reference)


@pytest.mark.stack
def test_a_quote_makes_no_job(client: Studio, picture: Path) -> None:
    quote = client.quote("file_copy", image=picture)
    assert quote.operation == "file_copy"
    assert quote.model is not None
    assert quote.model.licence == "Apache-2.0"


@pytest.mark.stack
def test_recipes_and_workers_have_types(client: Studio, picture: Path) -> None:
    job = client.run("file_copy", image=picture)
    recipe = client.recipe(job.job_id)
    assert recipe.steps["file_copy"].parameters["secondsTaken"] == 0
    rows = {row.id: row for row in client.workers().workers}
    assert rows["file-copier"].ready
    assert rows["depth-estimator"].status == "offline"


@pytest.mark.stack
def test_a_large_file_is_sent_in_pieces(client: Studio, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(1 << 20))
    told: list[tuple[int, int]] = []
    stored = client.upload(path, on_bytes=lambda sent, of: told.append((sent, of)))
    assert stored.bytes == 1 << 20
    assert told[-1] == (1 << 20, 1 << 20)
    client.delete_asset(stored)
    with pytest.raises(studio_client.NotFound):
        client.delete_asset(stored)


@pytest.mark.stack
def test_everything_that_an_answer_tells_has_a_type(
    studio: RunningStudio, client: Studio, picture: Path
) -> None:
    """The types leave out what they do not know; so of what is told nothing may be missing."""
    job = client.run("copy-join", image=picture)
    told = studio.client.get(f"/api/jobs/{job.job_id}").json()
    read = Job.model_validate(told).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert missing(told, read) == []
    asset_id = told["data"]["url"].rpartition("/")[2]
    for path, kind in {
        "/api/workers/status": WorkersStatus,
        "/api/operations": OperationList,
        "/api/pipelines": PipelineList,
        "/api/jobs?limit=5": JobPage,
        f"/api/jobs/{job.job_id}/recipe": JobRecipe,
        f"/api/jobs/{job.job_id}/webhooks": WebhookDeliveries,
        f"/api/assets/{asset_id}/metadata": Asset,
        "/readyz": Readiness,
    }.items():
        raw = studio.client.get(path).json()
        known = kind.model_validate(raw).model_dump(by_alias=True, exclude_unset=True)
        assert missing(raw, known) == [], path
    quoted = studio.copy(f"asset:{asset_id}", dryRun=True).json()
    known = QuoteAnswer.model_validate(quoted).model_dump(by_alias=True, exclude_unset=True)
    assert missing(quoted, known) == []


def missing(told: Any, read: Any, where: str = "") -> list[str]:
    """Name the fields of an answer that its type has lost."""
    if isinstance(told, dict):
        return [
            lost
            for name, value in told.items()
            for lost in (
                missing(value, read[name], f"{where}.{name}")
                if name in read
                else [f"{where}.{name}"]
            )
        ]
    if isinstance(told, list):
        pairs = zip(told, read, strict=True)
        return [lost for one, other in pairs for lost in missing(one, other, f"{where}[]")]
    return []


class Scripted(ThreadingHTTPServer):
    """Does for each request what its script says next, and keeps what was asked."""

    def __init__(self, *script: Respond) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = list(script)
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers, self.rfile.read(length)))
        self.server.script.pop(0)(self)

    def log_message(self, *_: object) -> None: ...


def says(status: int, body: Any = None, **headers: str) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        data = json.dumps(body).encode()
        handler.send_response(status)
        kind = "application/problem+json" if status >= 400 else "application/json"
        handler.send_header("Content-Type", kind)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return respond


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def streams(*lines: str) -> Respond:
    """Tell these lines and hang up, as a proxy does that is restarted."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write("\n".join((*lines, "")).encode())
        handler.close_connection = True

    return respond


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    servers: list[Scripted] = []

    def serve(*script: Respond) -> Scripted:
        server = Scripted(*script)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


JOB_ID = "job_0123456789abcdef0123456789abcdef"
RECORD = {
    "success": True,
    "jobId": JOB_ID,
    "operation": "file_copy",
    "status": "queued",
    "progress": {"percent": 0, "stage": "queued"},
    "queuePosition": 1,
    "estimatedStartAt": None,
    "createdAt": "2026-01-01T00:00:00Z",
    "startedAt": None,
    "finishedAt": None,
    "expiresAt": None,
    "retriedFrom": None,
}
CATALOGUE = says(
    200,
    {
        "operations": [
            {
                "worker": "file-copier",
                "route": "/api/test/copy",
                "built": True,
                "summary": "Copy.",
                "models": [],
                "name": "file_copy",
                "aFieldOfTheFuture": 1,
            }
        ],
        "nextCursor": None,
    },
)
NO_CHAINS = says(200, {"pipelines": [], "nextCursor": None})
ACCEPTED = says(202, {"success": True, "jobId": JOB_ID, "status": "queued"})


@pytest.mark.usefixtures("impatient")
def test_a_submission_whose_answer_is_lost_is_sent_again_under_the_same_key(
    scripted: Callable[..., Scripted],
) -> None:
    server = scripted(CATALOGUE, NO_CHAINS, hangs_up, says(503), ACCEPTED, says(200, RECORD))
    with Studio(server.url, "key_1") as client:
        job = client.submit("copy", image="asset:ast_1")
    assert job.job_id == JOB_ID
    posted = [(headers, body) for path, headers, body in server.asked if path == "/api/test/copy"]
    assert len(posted) == 3
    assert len({headers["idempotency-key"] for headers, _ in posted}) == 1
    assert len({body for _, body in posted}) == 1
    assert json.loads(posted[0][1]) == {"image": "asset:ast_1", "async": True}
    assert {headers["authorization"] for headers, _ in posted} == {"Bearer key_1"}


def test_a_studio_that_asks_to_wait_is_waited_for(scripted: Callable[..., Scripted]) -> None:
    server = scripted(says(429, Retry_After="1"), says(200, RECORD))
    began_s = time.monotonic()
    assert Studio(server.url).job(JOB_ID).status == "queued"
    assert time.monotonic() - began_s >= 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, studio_client.NotPermitted),
        (403, studio_client.NotPermitted),
        (429, studio_client.TooManyRequests),
        (503, studio_client.StudioUnavailable),
        (500, studio_client.ServiceFailed),
    ],
)
def test_a_fault_has_the_type_of_its_status(
    scripted: Callable[..., Scripted], status: int, kind: type[studio_client.StudioFault]
) -> None:
    problem = {"error": {"code": "some_code", "message": "No.", "field": None, "hint": "Ask."}}
    server = scripted(*[says(status, problem, Retry_After="0")] * transport.TRIES)
    with pytest.raises(kind, match="No") as raised:
        Studio(server.url).job(JOB_ID)
    assert (raised.value.code, raised.value.hint, raised.value.status) == (
        *("some_code", "Ask.", status),
    )
    assert len(server.asked) == (transport.TRIES if status in (429, 503) else 1)


def event(number: int, kind: str = "progress", data: Any = None) -> tuple[str, ...]:
    told = data or {"percent": number, "stage": "copy"}
    return (f"event: {kind}", f"data: {json.dumps(told)}", f"id: {number}-0", "")


@pytest.mark.usefixtures("impatient")
def test_events_are_resumed_where_they_broke_off(scripted: Callable[..., Scripted]) -> None:
    ended = {**RECORD, "status": "canceled"}
    server = scripted(
        streams(": hello", "retry: 1000", "", *event(1), *event(2), "event: progress", "data: {"),
        hangs_up,
        streams(*event(3), *event(4, "surprise"), *event(5, "canceled", ended)),
    )
    seen = list(Studio(server.url).events(JOB_ID))
    assert [(one.event, one.id) for one in seen] == [
        *(("progress", "1-0"), ("progress", "2-0"), ("progress", "3-0"), ("canceled", "5-0")),
    ]
    resumed = [headers.get("last-event-id") for _, headers, _ in server.asked]
    assert resumed == [None, "2-0", "2-0"]


@pytest.mark.usefixtures("impatient")
def test_events_that_break_off_for_ever_are_given_up(scripted: Callable[..., Scripted]) -> None:
    server = scripted(*[streams(": nothing")] * transport.TRIES)
    with pytest.raises(studio_client.StudioUnreachable, match="again and again"):
        list(Studio(server.url).events(JOB_ID))


def test_an_event_of_several_lines_is_put_together() -> None:
    lines = ["event: log", 'data: {"level": "info",', 'data:"message": "a"}', "id:7-0", "", "data"]
    (event,) = events.events_in(lines)
    assert event.event == "log"
    assert event.data.message == "a"


@pytest.mark.usefixtures("impatient")
def test_an_address_without_a_studio_is_told() -> None:
    with pytest.raises(studio_client.StudioUnreachable) as raised:
        Studio("http://127.0.0.1:9").workers()
    assert "127.0.0.1:9" in raised.value.message
    assert "studio up" in str(raised.value.hint)
