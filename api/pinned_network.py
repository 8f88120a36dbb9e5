"""Connections that go to addresses which were looked up and checked beforehand.

A name that is checked and then looked up a second time for the connection can change its answer in
between (DNS rebinding). Here the connection is opened to the checked address itself; the name stays
what the ``Host`` header, the TLS server name and the certificate check use.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence

import httpcore

from api.public_addresses import IPAddress, ip_address


async def resolve_host(host: str, port: int) -> Sequence[IPAddress]:
    """Look a name up with the system's resolver.

    Raises:
        OSError: The name has no address, or the resolver did not answer.
        UnicodeError: The name cannot be one: a label is empty or longer than 63 characters.
    """
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(socket_address[0]) for *_, socket_address in answers]


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections to fixed addresses, whatever host is asked for."""

    def __init__(
        self, addresses: Sequence[IPAddress], network: httpcore.AsyncNetworkBackend
    ) -> None:
        self._addresses = addresses
        self._network = network

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name was resolved and checked before
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the addresses that accepts, each with the whole timeout."""
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in self._addresses:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError("no address to connect to")

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts, as the connection pool asks."""
        await self._network.sleep(seconds)
