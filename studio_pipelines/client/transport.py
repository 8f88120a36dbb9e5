"""Requests that are sent again where that is right, and answers that are faults as exceptions."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from studio_pipelines.client.faults import StudioUnreachable, fault_of, retry_after_s

TRIES = 5
# Of a studio that has not answered once: it is not there, rather than away for a moment.
FIRST_TRIES = 2
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
TIMEOUT = httpx.Timeout(30.0, read=60.0)
_AGAIN = (429, 502, 503, 504)
Known = TypeVar("Known", bound=BaseModel)


class Transport:
    """Sends requests to one studio.

    Answers of 429 and 503, and connections that fail, are tried again, up to ``TRIES`` times: after
    ``Retry-After`` where the studio says so, else after pauses that double. Every request of the
    client may be sent twice: a submission carries an idempotency key, and whatever else changes
    something comes to the same when it is done again.
    """

    def __init__(
        self, base_url: str, api_key: str | None, http: httpx.Client | None = None
    ) -> None:
        headers = {"User-Agent": "studio-client"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._own = http is None
        self._http = http or httpx.Client(timeout=TIMEOUT)
        self._headers = headers
        self._has_answered = False
        self._base_url = httpx.URL(base_url.rstrip("/") + "/")

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._http.close()

    def url(self, path: str) -> httpx.URL:
        """Return a path of the studio, or a whole URL, as a URL."""
        return self._base_url.join(path.lstrip("/"))

    def json(
        self,
        method: str,
        path: str,
        model: type[Known],
        *,
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> Known:
        """Send a request and return its answer as a type.

        Raises:
            StudioFault: It was refused, or no studio answers.
        """
        return model.model_validate(self.answer(method, path, headers=headers, **request).json())

    def answer(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        """Send a request and return its answer, which is a success.

        Args:
            method: HTTP method.
            path: Path of the studio.
            headers: More headers.
            request: What httpx takes besides; ``content`` may be a function that gives the blocks
                of a body, called anew for each try.
        """
        content: Callable[[], Iterator[bytes]] | None = request.pop("content", None)

        def send() -> httpx.Response:
            body: dict[str, Any] = {} if content is None else {"content": content()}
            return self._http.request(
                method, self.url(path), headers=self._with(headers), **request, **body
            )

        answer = self._tried(send)
        if not answer.is_success:
            raise fault_of(answer)
        return answer

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 60.0
    ) -> Iterator[httpx.Response]:
        """Give an answer whose body is read in the block; it is a success."""

        def send() -> httpx.Response:
            timeout = httpx.Timeout(timeout_s, connect=30.0)
            request = self._http.build_request(
                "GET", self.url(path), headers=self._with(headers), timeout=timeout
            )
            return self._http.send(request, stream=True)

        answer = self._tried(send)
        try:
            if not answer.is_success:
                answer.read()
                raise fault_of(answer)
            yield answer
        finally:
            answer.close()

    def _with(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        return {**self._headers, **(headers or {})}

    def _tried(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        for tried in range(1, TRIES + 1):
            try:
                answer = send()
            except httpx.TransportError as error:
                if tried >= (TRIES if self._has_answered else FIRST_TRIES):
                    raise self._unreachable(error) from error
                time.sleep(pause_s(tried))
                continue
            self._has_answered = True
            if answer.status_code not in _AGAIN or tried == TRIES:
                return answer
            asked_s = retry_after_s(answer)
            answer.close()
            time.sleep(pause_s(tried) if asked_s is None else min(asked_s, LONGEST_PAUSE_S))
        raise AssertionError("the last try returns or raises")

    def _unreachable(self, error: httpx.TransportError) -> StudioUnreachable:
        said = str(error) or type(error).__name__
        return StudioUnreachable(
            f"No studio answers at {self._base_url}: {said}",
            code="unreachable",
            hint="Start one with `studio up`, or name its address.",
        )


def pause_s(tried: int) -> float:
    """Return how long to wait after so many tries, in seconds, drawn so that clients spread."""
    longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (tried - 1))
    return random.uniform(longest_s / 2, longest_s)  # noqa: S311  # nosec B311
