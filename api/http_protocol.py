"""HTTP/1.1 as uvicorn's httptools reads it, with a bound on what comes before and after a body.

httptools collects a request line, a header or a trailer of any length in memory. Whoever connects
could have a process swell with one request, and needs no key for it.
"""

from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 64 << 10
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 33\r\nconnection: close\r\n\r\n"
    b"The request's headers are too big"
)


class BoundedHttp(HttpToolsProtocol):
    """Ends a connection whose headers or trailers pass the bound while they come.

    What has come whole in one read, a quarter of a megabyte at most, is let be.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._is_counting, self._counted_bytes, self._turns = True, 0, 0
        super().__init__(*arguments, **options)

    @override
    def data_received(self, data: bytes) -> None:
        turns = self._turns
        super().data_received(data)
        # All of it was more of the same head.
        if self._is_counting and self._turns == turns:
            self._counted_bytes += len(data)
        if self._counted_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.logger.warning("Headers of over %d bytes refused.", MOST_HEAD_BYTES)
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    @override
    def on_message_begin(self) -> None:
        self._count(True)
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        self._count(False)
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Take note of a chunk's size: after the last one, which is of nothing, come trailers."""
        self._count(True)

    @override
    def on_body(self, body: bytes) -> None:
        self._count(False)
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._count(True)
        super().on_message_complete()

    def _count(self, counts: bool) -> None:
        self._is_counting, self._counted_bytes = counts, 0
        self._turns += 1
