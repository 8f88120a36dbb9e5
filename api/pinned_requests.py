"""One HTTP request to a checked address: no cookies, proxies, redirects or decompression.

It speaks through ``httpcore``, the layer below httpx that has none of these.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import httpcore
import httpx

from api.fetch_policy import FetchPolicy, UrlUnavailable, port_of
from api.pinned_network import PinnedNetwork
from api.public_addresses import IPAddress

_USER_AGENT = b"studio-pipelines/0.1"


@asynccontextmanager
async def pinned_response(
    method: str,
    target: httpx.URL,
    addresses: Sequence[IPAddress],
    policy: FetchPolicy,
    *,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> AsyncIterator[httpcore.Response]:
    """Send a request over a connection of its own and give the response, its body unread.

    Args:
        method: ``GET`` or ``POST``.
        target: A URL that :func:`~api.fetch_policy.checked_url` has passed.
        addresses: Its host's addresses, checked.
        policy: The time limits, and whom to trust.
        headers: Beside ``Host`` and ``User-Agent``.
        content: The body, or None.

    Raises:
        UrlUnavailable: The server cannot be reached, is silent, or breaks off; also in the block.
    """
    url = httpcore.URL(
        scheme=target.raw_scheme,
        host=target.raw_host,
        port=port_of(target),
        target=target.raw_path,
    )
    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    with _faults_told(target, policy):
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=policy.ssl_context,
                network_backend=PinnedNetwork(addresses, policy.network),
            ) as connections,
            connections.stream(
                method,
                url,
                headers=[(b"Host", target.netloc), (b"User-Agent", _USER_AGENT), *named],
                content=content,
                extensions={"timeout": _timeouts(policy)},
            ) as response,
        ):
            yield response


def _timeouts(policy: FetchPolicy) -> dict[str, float]:
    return {
        "connect": policy.connect_timeout_s,
        "read": policy.patience_s,
        "write": policy.patience_s,
    }


@contextmanager
def _faults_told(target: httpx.URL, policy: FetchPolicy) -> Iterator[None]:
    """Say plainly what goes wrong with a connection."""
    try:
        yield
    except (httpcore.ConnectError, httpcore.ConnectTimeout):
        raise UrlUnavailable(
            f"No connection to {target.host} could be made, or its certificate is not valid."
        ) from None
    except httpcore.TimeoutException:
        raise UrlUnavailable(f"{target.host} sent nothing for {policy.patience_s:g} s.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError):
        raise UrlUnavailable(f"{target.host} broke the transfer off.") from None
