"""What may be fetched from the network: the limits, and the checks before a connection is made."""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import httpcore
import httpx

from api.pinned_network import resolve_host
from api.public_addresses import IPAddress, address_literal, is_loopback_name, is_public
from studio_pipelines.errors import StudioError

Resolve = Callable[[str, int], Awaitable[Sequence[IPAddress]]]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*")


class UrlRefused(StudioError):
    """The URL is one that this server does not fetch."""

    status = 422
    code = "url_refused"
    advice = (
        "Refused are schemes, ports and user names of other kinds, hosts that are not allowed, "
        "and addresses that are not on the public internet, also after a redirect. Upload the "
        "file instead, or ask the operator about `STUDIO_FETCH_ALLOWED_HOSTS`, of webhooks "
        "about `STUDIO_WEBHOOK_ALLOWED_HOSTS`."
    )


class UrlUnavailable(StudioError):
    """The URL may be fetched, and its server gave no usable file."""

    status = 422
    code = "url_unavailable"
    advice = (
        "There was no such host, an error status, or an answer too slow or cut off. Check the "
        "URL, or upload the file."
    )


class FileTooLarge(StudioError):
    """The file has more bytes than this server takes."""

    status = 413
    code = "file_too_large"
    advice = "Send a smaller file than the one behind the URL or in the `data:` URI."


@cache
def _trusted_authorities() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """What may be fetched, and how long and how much at most.

    Attributes:
        allowed_hosts: Host names, exact or ``*.example.org`` for all below it; empty: any host.
        allowed_ports: Ports that a URL may name.
        allow_private_addresses: Also fetch from addresses that are not on the public internet.
        max_bytes: Largest file taken.
        max_redirects: Redirects followed, each checked like the first URL.
        connect_timeout_s: Longest wait for the lookup, and for a connection to each address.
        total_timeout_s: Longest fetch, from the lookup to the last byte.
        patience_s: Longest silence, and the time in which a server need not keep the minimum rate.
        min_bytes_per_s: Slowest average rate, counted over the time spent waiting for the server.
        resolve: Looks a host up; raises OSError or UnicodeError if there is no such host.
        network: Opens the connections to the checked addresses.
        ssl_context: Whom to trust for ``https``.
    """

    allowed_hosts: tuple[str, ...] = ()
    allowed_ports: frozenset[int] = frozenset(_DEFAULT_PORTS.values())
    allow_private_addresses: bool = False
    max_bytes: int = 2 * 2**30
    max_redirects: int = 5
    connect_timeout_s: float = 5.0
    total_timeout_s: float = 300.0
    patience_s: float = 10.0
    min_bytes_per_s: float = 16_384.0
    resolve: Resolve = resolve_host
    network: httpcore.AsyncNetworkBackend = field(
        default_factory=httpcore.AnyIOBackend  # pyright: ignore[reportAssignmentType] - two stubs
    )
    ssl_context: ssl.SSLContext = field(default_factory=_trusted_authorities)


def checked_url(url: str, policy: FetchPolicy) -> httpx.URL:
    """Parse a URL and check all that can be checked before its host is looked up.

    Raises:
        UrlRefused: It is no URL, or its scheme, user name, host or port is not admitted.
    """
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        raise UrlRefused("This is not a valid URL.", hint="Write https://host/path.") from None
    if target.scheme not in _DEFAULT_PORTS:
        raise UrlRefused(f"URLs of the scheme {target.scheme!r} are not fetched, only https, http.")
    if not _HOST.fullmatch(host_name(target)):
        raise UrlRefused("The URL does not name a valid host.")
    if target.userinfo:
        raise UrlRefused("A URL with a user name or password in it is not fetched.")
    if port_of(target) not in policy.allowed_ports:
        raise UrlRefused(f"URLs with the port {port_of(target)} are not fetched.")
    if policy.allowed_hosts and not is_allowed_host(host_name(target), policy.allowed_hosts):
        raise UrlRefused(
            f"{target.host} is not among the hosts that this server may fetch from.",
            hint="Upload the file to /api/assets, or ask the operator to allow the host.",
        )
    return target


def is_allowed_host(host: str, allowed_hosts: Sequence[str]) -> bool:
    """Tell whether a host equals one of the names, or is below one written ``*.example.org``."""
    name = host.lower().removesuffix(".")
    return any(
        name.endswith(allowed[1:]) if allowed.startswith("*.") else name == allowed
        for allowed in (pattern.lower() for pattern in allowed_hosts)
    )


async def checked_addresses(target: httpx.URL, policy: FetchPolicy) -> Sequence[IPAddress]:
    """Look the host of a URL up, once, and check every address of the answer.

    Raises:
        UrlRefused: The host is an address in disguise, or has an address that is not public.
        UrlUnavailable: There is no such host.
    """
    try:
        literal = address_literal(host_name(target))
    except ValueError:
        raise UrlRefused(f"The host {target.host!r} is a number, not a plain address.") from None
    if literal is None and is_loopback_name(host_name(target)):
        _require_private_allowed(target, policy)
    addresses = await _resolve(target, policy) if literal is None else [literal]
    if not all(map(is_public, addresses)):
        _require_private_allowed(target, policy)
    return addresses


def _require_private_allowed(target: httpx.URL, policy: FetchPolicy) -> None:
    if not policy.allow_private_addresses:
        raise UrlRefused(
            f"{target.host} is not on the public internet.",
            hint="Upload the file to /api/assets instead.",
        )


async def _resolve(target: httpx.URL, policy: FetchPolicy) -> Sequence[IPAddress]:
    try:
        async with asyncio.timeout(policy.connect_timeout_s):
            return await policy.resolve(host_name(target), port_of(target))
    except (OSError, UnicodeError):  # a TimeoutError is an OSError
        raise UrlUnavailable(f"The host {target.host!r} was not found.") from None


def host_name(target: httpx.URL) -> str:
    """Return the host as the network knows it: ASCII, lower case, IPv6 without brackets."""
    return target.raw_host.decode("ascii")


def port_of(target: httpx.URL) -> int:
    """Return the port that the URL names, or that its scheme implies."""
    return _DEFAULT_PORTS[target.scheme] if target.port is None else target.port
