"""No way into the private network: every door of the service that takes a URL, one table."""

import asyncio
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import httpcore
import pytest
from loopback_dns import NameServer, name_server
from running_studio import RunningStudio, problem_in

from api.fetch_policy import FetchPolicy, UrlRefused
from api.fetching import fetch
from api.webhook_post import WebhookPost

PUBLIC = "93.184.215.14"
SECRET = "whsec_c3R1ZGlvLXRlc3RzLXNpZ24td2l0aC10aGlzLWtleS4="
REFUSED = {
    "loopback": "127.0.0.1",
    "loopback, another": "127.8.9.10",
    "loopback by name": "localhost",
    "loopback, decimal": "2130706433",
    "loopback, octal": "0177.0.0.1",
    "loopback, octal in one": "017700000001",
    "loopback, hexadecimal": "0x7f000001",
    "loopback, hexadecimal parts": "0x7f.0x0.0x0.0x1",
    "loopback, shortened": "127.1",
    "loopback, in full-width digits": "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "loopback, percent-encoded": "%31%32%37.0.0.1",
    "loopback, dotted by ideographs": "127\u30020\u30020\u30021",
    "loopback, with a dot at its end": "127.0.0.1.",
    "loopback by name, with a dot at its end": "localhost.",
    "loopback by a name below it": "metadata.localhost",
    "loopback, padded octal": "0000177.0.0.0001",
    "loopback, mixed": "0x7f.0.1",
    "loopback, circled digits": "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "loopback, before a fragment": "127.0.0.1#@photos.example",
    "loopback, before a backslash": "127.0.0.1\\@photos.example",
    "loopback, with a port": "127.0.0.1:6379",
    "this host": "0.0.0.0",
    "this host, shortened": "0",
    "loopback, IPv6": "[::1]",
    "this host, IPv6": "[::]",
    "loopback, IPv6-mapped": "[::ffff:127.0.0.1]",
    "loopback, IPv6-mapped in hexadecimal": "[::ffff:7f00:1]",
    "loopback, IPv6-compatible": "[::127.0.0.1]",
    "loopback, NAT64": "[64:ff9b::127.0.0.1]",
    "loopback, 6to4": "[2002:7f00:1::]",
    "loopback, IPv6-mapped in full": "[0:0:0:0:0:ffff:127.0.0.1]",
    "loopback, IPv4-translated": "[::ffff:0:127.0.0.1]",
    "loopback, local NAT64": "[64:ff9b:1::127.0.0.1]",
    "loopback, Teredo": "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "loopback, ISATAP": "[2a00:1450:4001::5efe:127.0.0.1]",
    "private": "10.0.0.1",
    "private, 172": "172.16.0.1",
    "private, 192": "192.168.1.1",
    "private, IPv6": "[fd12:3456::1]",
    "link-local": "169.254.1.1",
    "link-local, IPv6": "[fe80::1]",
    "link-local, IPv6, with a zone": "[fe80::1%25lo]",
    "site-local": "[fec0::1]",
    "carrier's": "100.64.0.1",
    "metadata of most clouds": "169.254.169.254",
    "metadata, decimal": "2852039166",
    "metadata, hexadecimal": "0xa9fea9fe",
    "metadata, IPv6-mapped": "[::ffff:169.254.169.254]",
    "metadata of AWS, IPv6": "[fd00:ec2::254]",
    "metadata of Alibaba": "100.100.100.200",
    "metadata of Oracle": "192.0.0.192",
    "Azure's platform": "168.63.129.16",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "a user before it": "photos.example@127.0.0.1",
    "a user and a password before it": "photos.example:80@127.0.0.1:80",
}


@pytest.mark.stack
@pytest.mark.parametrize("host", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("field", ["image", "webhook.url"])
def test_no_door_leads_inside(
    studio: RunningStudio, pixel_png: bytes, field: str, host: str
) -> None:
    url = f"http://{host}/latest/meta-data/"
    if field == "image":
        answer = studio.copy(url)
    else:
        answer = studio.copy(studio.upload(pixel_png), webhook={"url": url})
    assert problem_in(answer, 422, "url_refused")["field"] == field


@dataclass
class Inside:
    """A server on loopback that nobody is to reach, and the way there from one public address."""

    listening: socket.socket
    reached: list[bytes] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                self.reached.append(connection.recv(65536))
                location = f"http://inside.example:{self.listening.getsockname()[1]}/"
                head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
                connection.sendall(head.encode())


class Ways(httpcore.AsyncNetworkBackend):
    """A network in which the public address is a server of the attacker's, on loopback too."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self._inside.dialled.append(host)
        address = "127.0.0.1" if host == PUBLIC else host
        return await self._sockets.connect_tcp(address, port, timeout)


@pytest.fixture
def inside() -> Iterator[Inside]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = Inside(listening)
        thread = threading.Thread(target=running.serve, daemon=True)
        thread.start()
        yield running
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def policy_of(names: NameServer, inside: Inside) -> tuple[FetchPolicy, str]:
    port = inside.listening.getsockname()[1]
    policy = FetchPolicy(
        resolve=names.resolve, network=Ways(inside), allowed_ports=frozenset({port})
    )
    return policy, f"http://rebind.example:{port}/"


async def nowhere(_chunk: bytes) -> None:
    raise AssertionError("nothing is to be fetched")


def test_a_name_that_is_private_when_it_is_asked_for_is_not_fetched(inside: Inside) -> None:
    with name_server("127.0.0.1") as names:
        policy, url = policy_of(names, inside)
        with pytest.raises(UrlRefused):
            asyncio.run(fetch(url, policy=policy, sink=nowhere))
    assert (names.asked, inside.dialled, inside.reached) == (["rebind.example"], [], [])


def test_a_name_that_turns_private_after_its_check_is_not_asked_for_again(inside: Inside) -> None:
    # The public address answers with a redirect, whose host is private by then.
    with name_server(PUBLIC, "127.0.0.1") as names:
        policy, url = policy_of(names, inside)
        with pytest.raises(UrlRefused):
            asyncio.run(fetch(url, policy=policy, sink=nowhere))
    assert names.asked == ["rebind.example", "inside.example"]
    assert inside.dialled == [PUBLIC]
    assert len(inside.reached) == 1


def test_a_webhook_whose_host_turns_private_is_not_posted(inside: Inside) -> None:
    with name_server(PUBLIC, "127.0.0.1") as names:
        policy, url = policy_of(names, inside)
        post = WebhookPost(policy, SECRET)
        asyncio.run(post.check(url))
        attempt = asyncio.run(post.send(url, "msg_1", "{}"))
    assert attempt.status is None
    assert "not on the public internet" in str(attempt.error)
    assert (inside.dialled, inside.reached) == ([], [])


def test_a_webhook_goes_to_the_address_that_was_checked_and_follows_no_redirect(
    inside: Inside,
) -> None:
    with name_server(PUBLIC, PUBLIC, "127.0.0.1") as names:
        policy, url = policy_of(names, inside)
        post = WebhookPost(policy, SECRET)
        asyncio.run(post.check(url))
        attempt = asyncio.run(post.send(url, "msg_1", "{}"))
    assert attempt.status == 302
    assert not attempt.is_delivered
    assert inside.dialled == [PUBLIC]
    assert names.asked == ["rebind.example"] * 2
    (request,) = inside.reached
    assert request.startswith(b"POST / HTTP/1.1\r\nHost: rebind.example:")
