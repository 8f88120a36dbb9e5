"""Fetching against a real server, over a network in which a public address leads to it."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.fetch_policy import FetchPolicy, FileTooLarge, UrlRefused, UrlUnavailable, is_allowed_host
from api.fetching import FetchedFile, fetch
from api.public_addresses import IPAddress

PUBLIC_ADDRESS = "93.184.215.14"
Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def ok(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


@dataclass
class Origin:
    """A loopback web server: what it answers for each path, and the requests it got."""

    answers: dict[str, Answer]
    tls: ssl.SSLContext | None = None
    requests: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> "Origin":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = head[0].split(" ")[1]
            fields = (line.partition(": ") for line in head[1:] if line)
            self.requests.append(
                {":path": path} | {name.lower(): value for name, _, value in fields}
            )
            answer = self.answers[path]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Internet(httpcore.AsyncNetworkBackend):
    """A network in which one public address leads to the origin, and nothing else anywhere."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.dialled: list[str] = []
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append(host)
        if host != PUBLIC_ADDRESS:
            raise httpcore.ConnectError(f"no route to {host}")
        return await self._sockets.connect_tcp("127.0.0.1", self.origin.port, timeout)


@dataclass
class Names:
    """A resolver: for each name the answers to the first, second, … lookup; the last repeats."""

    answers: dict[str, list[list[str]]]
    lookups: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[IPAddress]:
        self.lookups.append(host)
        rounds = self.answers.get(host)
        if rounds is None:
            raise OSError(f"{host} is unknown")
        return [ip_address(each) for each in (rounds.pop(0) if len(rounds) > 1 else rounds[0])]


@dataclass
class Trial:
    """What came of a fetch."""

    file: FetchedFile
    body: bytes
    internet: Internet
    names: Names


def attempt(
    url: str,
    answers: dict[str, Answer] | None = None,
    names: Names | None = None,
    tls: ssl.SSLContext | None = None,
    internet: list[Internet] | None = None,
    **limits: object,
) -> Trial:
    async def run() -> Trial:
        lookups = names or Names({"photos.example": [[PUBLIC_ADDRESS]]})
        async with Origin(answers or {}, tls) as origin:
            network = Internet(origin)
            if internet is not None:
                internet.append(network)
            body = bytearray()

            async def write(chunk: bytes) -> None:
                body.extend(chunk)

            policy = FetchPolicy(resolve=lookups, network=network, **limits)
            file = await fetch(url, policy=policy, sink=write, field="image")
            return Trial(file, bytes(body), network, lookups)

    return asyncio.run(run())


def test_fetches_a_file_from_the_checked_address() -> None:
    body = bytes(range(256)) * 1000
    answers: dict[str, Answer] = {"/a.png?x=1": ok(body, "Content-Type: image/PNG; q=1")}
    trial = attempt("http://photos.example/a.png?x=1#top", answers)
    assert trial.body == body
    assert trial.file == FetchedFile("http://photos.example/a.png?x=1#top", len(body), "image/png")
    assert trial.internet.dialled == [PUBLIC_ADDRESS]
    request = trial.internet.origin.requests[0]
    assert request["host"] == "photos.example"
    assert request["accept-encoding"] == "identity"
    assert not request.keys() & {"cookie", "authorization", "referer"}


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert attempt("http://photos.example/", {"/": ok(b"x")}).body == b"x"


def test_the_second_address_is_tried_when_the_first_does_not_answer() -> None:
    names = Names({"photos.example": [["9.9.9.9", PUBLIC_ADDRESS]]})
    trial = attempt("http://photos.example/", {"/": ok(b"x")}, names)
    assert trial.internet.dialled == ["9.9.9.9", PUBLIC_ADDRESS]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://photos.example/", "file:///etc/passwd", "gopher://photos.example/", "//x/y", "x",
        "", "http:///x", "http://", "https:photos.example", "data:,x", "javascript:alert(1)",
        "http://user@photos.example/", "http://user:pw@photos.example/", "http://a\\@127.0.0.1/",
        "http://photos.example:22/", "http://photos.example:0/", "http://photos.example:6379/",
        "http://photos.example:99999/", "http://photos.example/\r\nHost: x", "http://a b/",
        "http://%31%32%37.0.0.1/", "http://127.0.0.1%00.photos.example/", "http://[::1",
        "http://127.0.0.1/", "http://127.0.0.1./", "http://2130706433/", "http://0x7f000001/",
        "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/", "http://0/", "http://0.0.0.0/",
        "http://127。0。0。1/", "http://①②⑦.⓪.⓪.①/", "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/", "http://10.0.0.1/", "http://192.168.0.1/", "http://100.100.100.200/",
        "http://[::1]/", "http://[::]/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/",
        "http://[fd00:ec2::254]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
        "http://[2001::1]/", "http://[ff02::1]/", "http://224.0.0.1/", "http://255.255.255.255/",
    ],
)  # fmt: skip
def test_hostile_urls_are_refused_before_any_connection(url: str) -> None:
    networks: list[Internet] = []
    names = Names({})
    with pytest.raises(UrlRefused) as refusal:
        attempt(url, {"/": ok(b"secret")}, names, internet=networks)
    assert refusal.value.field == "image"
    assert networks[0].dialled == []
    assert names.lookups == []


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["::1"], ["::ffff:10.0.0.1"],
     [PUBLIC_ADDRESS, "127.0.0.1"], ["fd00::1", PUBLIC_ADDRESS]],
)  # fmt: skip
def test_a_name_with_any_address_that_is_not_public_is_refused(addresses: list[str]) -> None:
    networks: list[Internet] = []
    names = Names({"inside.example": [addresses]})
    with pytest.raises(UrlRefused, match="not on the public internet") as refusal:
        attempt("http://inside.example/", {"/": ok(b"secret")}, names, internet=networks)
    assert networks[0].dialled == []
    assert not any(address in refusal.value.message for address in addresses)


def test_a_name_that_changes_its_answer_after_the_check_is_looked_up_once() -> None:
    names = Names({"rebind.example": [[PUBLIC_ADDRESS], ["127.0.0.1"]]})
    trial = attempt("http://rebind.example/", {"/": ok(b"x")}, names)
    assert trial.names.lookups == ["rebind.example"]
    assert trial.internet.dialled == [PUBLIC_ADDRESS]


def test_a_name_that_changes_its_answer_between_redirects_is_refused() -> None:
    networks: list[Internet] = []
    names = Names({"rebind.example": [[PUBLIC_ADDRESS], ["127.0.0.1"]]})
    with pytest.raises(UrlRefused, match="not on the public internet"):
        attempt("http://rebind.example/", {"/": redirect("/again")}, names, internet=networks)
    assert networks[0].dialled == [PUBLIC_ADDRESS]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    names = Names({"a.example": [[PUBLIC_ADDRESS]], "b.example": [[PUBLIC_ADDRESS]]})
    answers: dict[str, Answer] = {
        "/1/x": redirect("../2", status),
        "/2": redirect("//b.example/3", status),
        "/3": ok(b"found"),
    }
    trial = attempt("http://a.example/1/x", answers, names)
    assert trial.body == b"found"
    assert trial.file.url == "http://b.example/3"
    assert [request["host"] for request in trial.internet.origin.requests] == [
        "a.example", "a.example", "b.example",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1/", "http://169.254.169.254/", "http://inside.example/", "file:///etc/passwd",
     "ftp://photos.example/", "http://photos.example:6379/", "http://me@photos.example/",
     "http://0x7f.1/", "http://[::1]/", "http://[", "data:,x"],
)  # fmt: skip
def test_each_redirect_is_checked(location: str) -> None:
    networks: list[Internet] = []
    names = Names({"photos.example": [[PUBLIC_ADDRESS]], "inside.example": [["10.0.0.1"]]})
    with pytest.raises(UrlRefused) as refusal:
        attempt("http://photos.example/", {"/": redirect(location)}, names, internet=networks)
    assert refusal.value.field == "image"
    assert networks[0].dialled == [PUBLIC_ADDRESS]


def test_redirects_end() -> None:
    networks: list[Internet] = []
    with pytest.raises(UrlRefused, match="more than 3 times"):
        attempt("http://photos.example/", {"/": redirect("/")}, internet=networks, max_redirects=3)
    assert len(networks[0].origin.requests) == 4


def test_a_redirect_to_nowhere_is_unavailable() -> None:
    answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(UrlUnavailable, match="does not say where"):
        attempt("http://photos.example/", {"/": answer})


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")
        await writer.drain()


def test_an_endless_file_is_cut_off_at_the_limit() -> None:
    taken = bytearray()

    async def run() -> None:
        async def write(chunk: bytes) -> None:
            taken.extend(chunk)

        async with Origin({"/": endless}) as origin:
            names = Names({"photos.example": [[PUBLIC_ADDRESS]]})
            policy = FetchPolicy(resolve=names, network=Internet(origin), max_bytes=100_000)
            await fetch("http://photos.example/", policy=policy, sink=write)

    with pytest.raises(FileTooLarge, match="100,000 bytes"):
        asyncio.run(run())
    assert 0 < len(taken) <= 100_000


def test_a_file_of_exactly_the_limit_is_taken() -> None:
    assert attempt("http://photos.example/", {"/": ok(bytes(1000))}, max_bytes=1000).body == bytes(
        1000
    )


def test_a_claimed_length_over_the_limit_is_refused_before_the_body() -> None:
    async def only_the_head(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
        await asyncio.sleep(30)

    with pytest.raises(FileTooLarge):
        attempt("http://photos.example/", {"/": only_the_head}, max_bytes=1000)


def test_a_file_longer_than_claimed_ends_where_it_was_claimed_to() -> None:
    answer = ok(b"12345").replace(b"12345", b"1234567890")
    assert attempt("http://photos.example/", {"/": answer}).body == b"12345"


@pytest.mark.parametrize(
    "answer",
    [ok(bytes(1000))[:-1], b"HTTP/1.1 200 OK\r\n", b"", b"hello", b"\x15\x03\x01\x00\x02\x02F",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nX: " + bytes(300_000)],
)  # fmt: skip
def test_a_broken_transfer_is_unavailable(answer: bytes) -> None:
    with pytest.raises(UrlUnavailable, match="broke the transfer off"):
        attempt("http://photos.example/", {"/": answer})


@pytest.mark.parametrize("status", [201, 204, 206, 304, 401, 404, 500])
def test_any_other_status_is_unavailable(status: int) -> None:
    answer = f"HTTP/1.1 {status} Other\r\nContent-Length: 0\r\n\r\n".encode()
    with pytest.raises(UrlUnavailable, match=f"answered {status}"):
        attempt("http://photos.example/", {"/": answer})


def test_a_compressed_answer_is_unavailable() -> None:
    with pytest.raises(UrlUnavailable, match="gzip"):
        attempt("http://photos.example/", {"/": ok(b"x", "Content-Encoding: gzip")})


def test_a_silent_server_is_unavailable() -> None:
    with pytest.raises(UrlUnavailable, match="sent nothing"):
        attempt("http://photos.example/", {"/": lambda _: asyncio.sleep(30)}, patience_s=0.2)


async def drip(writer: asyncio.StreamWriter, head: bytes) -> None:
    writer.write(head)
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


def test_a_dripping_body_is_unavailable() -> None:
    body = partial(drip, head=b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
    with pytest.raises(UrlUnavailable, match=r"slower than 16.384 kB/s"):
        attempt("http://photos.example/", {"/": body}, patience_s=0.3)


def test_a_dripping_head_meets_the_total_limit() -> None:
    head = partial(drip, head=b"HTTP/1.1 200 OK\r\nX: ")
    with pytest.raises(UrlUnavailable, match=r"within 0.5 s") as unavailable:
        attempt("http://photos.example/", {"/": head}, total_timeout_s=0.5)
    assert unavailable.value.field == "image"


def test_a_slow_sink_is_not_held_against_the_server() -> None:
    async def run() -> FetchedFile:
        async def write(chunk: bytes) -> None:
            await asyncio.sleep(0.2)

        async with Origin({"/": ok(bytes(200_000))}) as origin:
            names = Names({"photos.example": [[PUBLIC_ADDRESS]]})
            policy = FetchPolicy(
                resolve=names, network=Internet(origin), patience_s=0.15, min_bytes_per_s=5e6
            )
            return await fetch("http://photos.example/", policy=policy, sink=write)

    assert asyncio.run(run()).byte_count == 200_000


def test_a_timeout_in_the_sink_is_the_sinks() -> None:
    async def run() -> None:
        async def write(chunk: bytes) -> None:
            raise TimeoutError("the disk")

        async with Origin({"/": ok(b"x")}) as origin:
            names = Names({"photos.example": [[PUBLIC_ADDRESS]]})
            policy = FetchPolicy(resolve=names, network=Internet(origin))
            await fetch("http://photos.example/", policy=policy, sink=write)

    with pytest.raises(TimeoutError, match="the disk"):
        asyncio.run(run())


def test_an_unknown_host_is_unavailable() -> None:
    with pytest.raises(UrlUnavailable, match="not found"):
        attempt("http://nowhere.example/")


def test_a_lookup_that_hangs_is_unavailable() -> None:
    async def hang(host: str, port: int) -> Sequence[IPAddress]:
        await asyncio.sleep(30)
        return []

    async def run() -> None:
        async def write(chunk: bytes) -> None: ...

        policy = FetchPolicy(resolve=hang, connect_timeout_s=0.1)
        await fetch("http://photos.example/", policy=policy, sink=write)

    with pytest.raises(UrlUnavailable, match="not found"):
        asyncio.run(run())


def test_the_systems_resolver_and_sockets_reach_a_private_server_where_allowed() -> None:
    async def run() -> tuple[FetchedFile, str]:
        async def write(chunk: bytes) -> None: ...

        async with Origin({"/": ok(b"local")}) as origin:
            policy = FetchPolicy(
                allow_private_addresses=True, allowed_ports=frozenset({origin.port})
            )
            url = f"http://localhost:{origin.port}/"
            return await fetch(url, policy=policy, sink=write), origin.requests[0]["host"]

    file, host = asyncio.run(run())
    assert file.byte_count == 5
    assert host == httpx.URL(file.url).netloc.decode()


def test_localhost_is_refused_with_the_systems_resolver() -> None:
    async def run() -> None:
        async def write(chunk: bytes) -> None: ...

        await fetch("http://localhost/", policy=FetchPolicy(), sink=write)

    with pytest.raises(UrlRefused, match="not on the public internet"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("example.org", True), ("EXAMPLE.org", True), ("example.org.", True),
        ("cdn.pics.example", True), ("a.cdn.pics.example", True), ("pics.example", False),
        ("evilpics.example", False), ("www.example.org", False),
        ("example.org.evil.example", False),
    ],
)  # fmt: skip
def test_allowed_hosts(host: str, allowed: bool) -> None:
    assert is_allowed_host(host, ("Example.org", "*.pics.example")) is allowed


def test_a_redirect_cannot_leave_the_allowed_hosts() -> None:
    names = Names({"photos.example": [[PUBLIC_ADDRESS]], "other.example": [[PUBLIC_ADDRESS]]})
    with pytest.raises(UrlRefused, match=r"other\.example is not among"):
        attempt(
            "http://photos.example/",
            {"/": redirect("http://other.example/")},
            names,
            allowed_hosts=("photos.example",),
        )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=photos.example",
         "-addext", "subjectAltName=DNS:photos.example",
         "-keyout", folder / "server.pem", "-out", folder / "authority.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def test_tls_verifies_the_name_and_not_the_address(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate / "authority.pem", certificate / "server.pem")
    server_names: list[str] = []
    server.sni_callback = lambda _socket, name, _context: server_names.append(name)
    trusted = ssl.create_default_context(cafile=certificate / "authority.pem")
    names = Names({host: [[PUBLIC_ADDRESS]] for host in ("photos.example", "other.example")})
    answers: dict[str, Answer] = {"/": ok(b"private")}

    trial = attempt("https://photos.example/", answers, names, server, ssl_context=trusted)
    assert trial.body == b"private"
    assert server_names == ["photos.example"]
    with pytest.raises(UrlUnavailable, match="certificate"):
        attempt("https://other.example/", answers, names, server, ssl_context=trusted)
    with pytest.raises(UrlUnavailable, match="certificate"):
        attempt("https://photos.example/", answers, names, server)


@given(st.text(max_size=60), st.sampled_from(["http://", "https://", "", "http://[", "//"]))
def test_any_text_is_refused_or_unavailable_and_never_breaks(text: str, prefix: str) -> None:
    async def run() -> None:
        async def write(chunk: bytes) -> None: ...

        policy = FetchPolicy(resolve=Names({}), network=Internet(Origin({})))
        await fetch(prefix + text, policy=policy, sink=write)

    with pytest.raises((UrlRefused, UrlUnavailable)):
        asyncio.run(run())


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_global))
def test_no_private_address_is_ever_dialled(address: IPAddress) -> None:
    networks: list[Internet] = []
    with pytest.raises(UrlRefused):
        attempt(
            "http://inside.example/",
            names=Names({"inside.example": [[str(address)]]}),
            internet=networks,
        )
    assert networks[0].dialled == []
