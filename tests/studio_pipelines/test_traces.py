"""One trace from the HTTP request to the op, as a collector on loopback receives it."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from running_studio import RunningStudio, eventually, running_studio, settings_for

TRACE_ID, CALLER_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

USES_TRACING_UNTRACED = """\
import sys
from api.app import create_app
from resources import tracing
import studio_pipelines.run_execution
create_app()
with tracing.start_span("nothing", {}):
    assert tracing.inject() == {}
tracing.record_span("nothing", 0.0, 1.0, {})
ours = ("opentelemetry.sdk.trace", "opentelemetry.exporter")
print([name for name in sys.modules if name.startswith(ours)])
"""


@dataclass
class Collector:
    """What an OTLP collector has received."""

    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.services.add(named["service.name"])
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def named(self, trace_id: str, *names: str) -> list[Span] | None:
        """Return one span of each name in a trace, or None while one is missing."""
        in_trace = {one.name: one for one in self.spans if one.trace_id.hex() == trace_id}
        return [in_trace[name] for name in names] if in_trace.keys() >= set(names) else None


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[Collector, str]]:
    """A collector, and its address."""
    received = Collector()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.take(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield received, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def traced(
    collector: tuple[Collector, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStudio]:
    """A studio that sends its traces there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector[1])
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        settings = settings_for(tmp_path_factory.mktemp("traced"))
        processes = ("broker", "database", "worker-test", "api")
        with running_studio(settings, processes) as running:
            yield running


def attributes(span: Span) -> dict[str, object]:
    found = {}
    for one in span.attributes:
        kind = one.value.WhichOneof("value")
        found[one.key] = getattr(one.value, kind) if kind else None
    return found


@pytest.mark.stack
def test_a_request_is_one_trace_down_to_its_op(
    traced: RunningStudio, collector: tuple[Collector, str], pixel_png: bytes
) -> None:
    image = traced.upload(pixel_png)
    answer = traced.client.post(
        "/api/test/copy",
        json={"image": image, "secondsTaken": 0.2},
        headers={"traceparent": f"00-{TRACE_ID}-{CALLER_ID}-01"},
    )
    job_id = answer.json()["jobId"]
    names = ("POST /api/test/copy", "submit", "queued", "run", "file_copy")
    spans = eventually(lambda: collector[0].named(TRACE_ID, *names))
    request, submit, queued, run, op = spans
    # The caller's own span is the parent of all.
    assert request.parent_span_id.hex() == CALLER_ID
    assert request.kind == Span.SPAN_KIND_SERVER
    assert submit.parent_span_id == request.span_id
    assert queued.parent_span_id == run.parent_span_id == submit.span_id
    assert op.parent_span_id == run.span_id
    assert attributes(run)["studio.job_id"] == attributes(op)["studio.job_id"] == job_id
    assert attributes(run)["studio.operation"] == "file_copy"
    assert attributes(request)["http.response.status_code"] == 200
    # One machine, one clock. The answer leaves once the outcome is told, before the run has ended.
    assert queued.end_time_unix_nano <= run.start_time_unix_nano
    assert run.start_time_unix_nano <= op.start_time_unix_nano
    assert op.end_time_unix_nano <= min(run.end_time_unix_nano, request.end_time_unix_nano)
    assert op.end_time_unix_nano - op.start_time_unix_nano >= 0.2e9
    assert collector[0].services == {"studio"}


@pytest.mark.stack
def test_a_failed_op_is_marked(
    traced: RunningStudio, collector: tuple[Collector, str], pixel_png: bytes
) -> None:
    trace_id = TRACE_ID[::-1]
    answer = traced.client.post(
        "/api/test/copy",
        json={"image": traced.upload(pixel_png), "refuse": True},
        headers={"traceparent": f"00-{trace_id}-{CALLER_ID}-01"},
    )
    assert answer.status_code == 422
    (op,) = eventually(lambda: collector[0].named(trace_id, "file_copy"))
    assert op.status.code == Status.STATUS_CODE_ERROR
    assert any("refused on request" in str(event) for event in op.events)


@pytest.mark.stack
def test_probes_are_not_traced(traced: RunningStudio, collector: tuple[Collector, str]) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert traced.client.get(path).status_code == 200
    assert traced.client.get("/api/operations").status_code == 200
    eventually(lambda: any("operations" in span.name for span in collector[0].spans))
    assert not [span for span in collector[0].spans if "healthz" in span.name]


def test_without_a_collector_nothing_of_it_is_imported() -> None:
    # redis-py imports the SDK's metrics wherever it is installed; the traces are ours.
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    answer = subprocess.run(
        [sys.executable, "-c", USES_TRACING_UNTRACED],
        env=env,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.splitlines()[-1] == "[]"
