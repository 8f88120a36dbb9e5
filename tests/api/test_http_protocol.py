"""Headers and trailers of any length, sent to a running studio."""

import socket
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from running_studio import RunningStudio

from api.http_protocol import MOST_HEAD_BYTES

pytestmark = pytest.mark.stack
BLOCK = b"a" * (32 << 10)
ENOUGH_BLOCKS = 512


def answer_to_endless(studio: RunningStudio, begin: bytes) -> bytes:
    """Send the beginning, then blocks for as long as they are taken; return what comes back."""
    parts = urlsplit(studio.stack.api_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(begin)
        sent = 0
        with suppress(ConnectionError):
            while sent < ENOUGH_BLOCKS:
                connection.sendall(BLOCK)
                sent += 1
        assert sent < ENOUGH_BLOCKS, "16 MiB were taken"
        told = b""
        with suppress(ConnectionError):
            while block := connection.recv(65536):
                told += block
        return told


CHUNKED = b"POST /api/assets HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ",
        CHUNKED + b"4\r\nabcd\r\n0\r\nX-Trailer: ",
    ],
    ids=["request line", "header", "trailer"],
)
def test_what_never_ends_is_cut_off(studio: RunningStudio, begin: bytes) -> None:
    told = answer_to_endless(studio, begin)
    # The peer may have closed before all was read, and then nothing comes back.
    assert told == b"" or told.startswith(b"HTTP/1.1 431 ")
    assert studio.client.get("/healthz").status_code == 200


def test_long_heads_and_bodies_of_all_kinds_are_taken(studio: RunningStudio) -> None:
    long = {"X-Long": "a" * (MOST_HEAD_BYTES // 2)}
    body = b"b" * (4 * MOST_HEAD_BYTES)
    for _ in range(3):  # over one connection
        assert studio.client.get("/healthz", headers=long).status_code == 200
        assert studio.client.post("/api/assets", content=body, headers=long).status_code == 201
        pieces = (body[at : at + 10_000] for at in range(0, len(body), 10_000))
        assert studio.client.post("/api/assets", content=pieces).status_code == 201
