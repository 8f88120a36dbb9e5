"""A receiver of webhooks on loopback, which verifies them with the public library."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from running_studio import eventually
from standardwebhooks.webhooks import Webhook

SECRET = "whsec_c3R1ZGlvLXRlc3RzLXNpZ24td2l0aC10aGlzLWtleS4="


@dataclass(frozen=True)
class Message:
    """A message that was verified."""

    id: str
    body: Mapping[str, Any]

    @property
    def type(self) -> str:
        return self.body["type"]

    @property
    def data(self) -> Mapping[str, Any]:
        return self.body["data"]


@dataclass
class Receiver:
    """What a receiver got, and how it answers: with ``answers`` in turn, then with 204."""

    server: ThreadingHTTPServer
    messages: list[Message] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    def about(self, job_id: str) -> list[Message]:
        return [one for one in self.messages if one.data["jobId"] == job_id]

    def first_about(self, job_id: str) -> Message:
        return eventually(lambda: self.about(job_id))[0]


@contextmanager
def webhook_receiver(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver that takes only what is signed with the tests' secret."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            verified = Webhook(SECRET).verify(body, dict(self.headers))
            receiver.messages.append(Message(self.headers["webhook-id"], verified))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver = Receiver(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()
