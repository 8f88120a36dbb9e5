"""A name server on loopback whose answers change, and a resolver that asks it."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from api.public_addresses import IPAddress

_HEADER = struct.Struct(">HHHHHH")


@dataclass
class NameServer:
    """Answers each question for any name with the next address; the last one repeats.

    Attributes:
        answers: IPv4 addresses.
        asked: The names that were asked for, in order.
    """

    answers: list[str]
    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, _port: int) -> Sequence[IPAddress]:
        """Ask as a resolver of the system would, by UDP (RFC 1035)."""
        return await asyncio.to_thread(self._ask, host)

    def _ask(self, host: str) -> list[IPAddress]:
        labels = b"".join(bytes([len(part)]) + part.encode() for part in host.split("."))
        question = labels + b"\0" + struct.pack(">HH", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.sendto(_HEADER.pack(7, 0x0100, 1, 0, 0, 0) + question, ("127.0.0.1", self.port))
            answer = asking.recv(512)
        return [IPv4Address(answer[-4:])]

    def _serve(self, listening: socket.socket) -> None:
        while True:
            query, asker = listening.recvfrom(512)
            if not query:
                return
            name, at = [], _HEADER.size
            while length := query[at]:
                name.append(query[at + 1 : at + 1 + length].decode())
                at += 1 + length
            self.asked.append(".".join(name))
            address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            # A pointer to the name in the question, A, IN, no time to live: ask anew each time.
            record = struct.pack(">HHHIH", 0xC00C, 1, 1, 0, 4) + IPv4Address(address).packed
            header = _HEADER.pack(*struct.unpack(">H", query[:2]), 0x8180, 1, 1, 0, 0)
            listening.sendto(header + query[_HEADER.size : at + 5] + record, asker)


@contextmanager
def name_server(*answers: str) -> Iterator[NameServer]:
    """Run a name server that gives these addresses in turn."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        server = NameServer(list(answers), listening.getsockname()[1])
        thread = threading.Thread(target=server._serve, args=(listening,), daemon=True)
        thread.start()
        yield server
        listening.sendto(b"", ("127.0.0.1", server.port))
        thread.join()
