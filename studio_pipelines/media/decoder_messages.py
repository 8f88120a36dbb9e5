"""The messages between a decoder and its helper: JSON behind a length, with a file at most."""

import json
import os
import socket
import struct
from typing import Any

_MAX_MESSAGE_BYTES = 32 << 20

Message = dict[str, Any]

JOIN = "join"
"""What a request wants that puts a video's sound beside another's picture."""


def send(connection: socket.socket, message: Message, fd: int | None = None) -> None:
    """Send a message and, along with it, a duplicate of a file descriptor."""
    body = json.dumps(message).encode()
    prefix = struct.pack("<I", len(body))
    if fd is None:
        connection.sendall(prefix + body)
    else:
        socket.send_fds(connection, [prefix], [fd])
        connection.sendall(body)


def receive(connection: socket.socket) -> tuple[Message, int | None]:
    """Receive a message and the descriptor that came with it, which the caller has to close.

    Raises:
        EOFError: The other side is gone, or what it sent is no message.
        TimeoutError: Nothing came within the connection's time-out.
    """
    prefix, fds, _, _ = socket.recv_fds(connection, 4, 1)
    for surplus in fds[1:]:
        os.close(surplus)
    prefix += _exactly(connection, 4 - len(prefix))
    (length,) = struct.unpack("<I", prefix)
    if length > _MAX_MESSAGE_BYTES:
        raise EOFError
    try:
        message: Message = dict(json.loads(_exactly(connection, length)))
    except (TypeError, ValueError) as error:
        raise EOFError from error
    return message, (fds[0] if fds else None)


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        piece = connection.recv(min(count - len(received), 1 << 20))
        if not piece:
            raise EOFError
        received += piece
    return bytes(received)
