"""Fetch a file from a URL that a caller names, without lending the caller this server's network.

Only ``http`` and ``https``, only public addresses, checked after the one DNS lookup whose answer is
also what is connected to, again on each redirect; bounded in bytes, in time and in slowness.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpcore
import httpx

from api.fetch_policy import (
    FetchPolicy,
    FileTooLarge,
    UrlRefused,
    UrlUnavailable,
    checked_addresses,
    checked_url,
)
from api.pinned_requests import pinned_response

Sink = Callable[[bytes], Awaitable[None]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """What was fetched.

    Attributes:
        url: The URL that answered, after redirects.
        byte_count: Bytes handed to the sink.
        claimed_media_type: ``Content-Type`` without its parameters, as the server claims it, or
            None. Never to be trusted.
    """

    url: str
    byte_count: int
    claimed_media_type: str | None


async def fetch(
    url: str, *, policy: FetchPolicy, sink: Sink, field: str | None = None
) -> FetchedFile:
    """Stream the file at a URL into a sink.

    Args:
        url: The URL, as the caller wrote it.
        policy: What may be fetched, and the limits.
        sink: Takes each chunk of the file in turn. After an error it has had part of the file.
        field: The request field that held the URL, for the error.

    Raises:
        UrlRefused: The URL, or one that it redirects to, is not of the kind that is fetched.
        UrlUnavailable: There is no such host, or its server failed, was too slow, or has no file.
        FileTooLarge: The file is larger than ``policy.max_bytes``.
    """
    deadline = asyncio.timeout(policy.total_timeout_s)
    try:
        async with deadline:
            return await _follow(url, policy, sink)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise UrlUnavailable(
            f"The file could not be fetched within {policy.total_timeout_s:g} s.",
            field=field,
            hint="Upload it to /api/assets instead.",
        ) from None
    except (UrlRefused, UrlUnavailable, FileTooLarge) as error:
        error.field = field
        raise


async def _follow(url: str, policy: FetchPolicy, sink: Sink) -> FetchedFile:
    target = checked_url(url, policy)
    for _ in range(policy.max_redirects + 1):
        addresses = await checked_addresses(target, policy)
        async with pinned_response("GET", target, addresses, policy, headers=_HEADERS) as response:
            if response.status not in _REDIRECTS:
                return await _receive(response, target, policy, sink)
            location = _header(response, b"location")
        if not location:
            raise UrlUnavailable(f"{target.host} redirects, and does not say where to.")
        try:
            target = checked_url(str(target.join(location)), policy)
        except httpx.InvalidURL:
            raise UrlRefused(f"{target.host} redirects to something that is no URL.") from None
    raise UrlRefused(f"The URL redirects more than {policy.max_redirects} times.")


async def _receive(
    response: httpcore.Response, target: httpx.URL, policy: FetchPolicy, sink: Sink
) -> FetchedFile:
    _check_head(response, target, policy)
    byte_count = 0
    waited_s = 0.0
    asked_at = time.monotonic()
    async for chunk in response.aiter_stream():
        waited_s += time.monotonic() - asked_at
        byte_count += len(chunk)
        _check_progress(byte_count, waited_s, target, policy)
        await sink(chunk)
        asked_at = time.monotonic()
    media_type = (_header(response, b"content-type") or "").partition(";")[0].strip().lower()
    return FetchedFile(str(target), byte_count, media_type or None)


def _check_head(response: httpcore.Response, target: httpx.URL, policy: FetchPolicy) -> None:
    if response.status != 200:
        raise UrlUnavailable(f"{target.host} answered {response.status} instead of the file.")
    encoding = (_header(response, b"content-encoding") or "identity").strip().lower()
    if encoding != "identity":
        raise UrlUnavailable(f"{target.host} sends the file only in the coding {encoding!r}.")
    claimed = _header(response, b"content-length") or ""
    if claimed.isdecimal() and int(claimed) > policy.max_bytes:
        raise _too_large(target, policy)


def _check_progress(
    byte_count: int, waited_s: float, target: httpx.URL, policy: FetchPolicy
) -> None:
    if byte_count > policy.max_bytes:
        raise _too_large(target, policy)
    if waited_s > policy.patience_s and byte_count < waited_s * policy.min_bytes_per_s:
        raise UrlUnavailable(
            f"{target.host} sends slower than {policy.min_bytes_per_s / 1000:g} kB/s.",
            hint="Upload the file to /api/assets instead.",
        )


def _too_large(target: httpx.URL, policy: FetchPolicy) -> FileTooLarge:
    return FileTooLarge(
        f"The file at {target.host} is larger than the limit of {policy.max_bytes:,} bytes."
    )


def _header(response: httpcore.Response, name: bytes) -> str | None:
    values = (value for key, value in response.headers if key.lower() == name)
    value = next(values, None)
    return None if value is None else value.decode("latin-1")
