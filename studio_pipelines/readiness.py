"""Ask a server whether it answers. Every check is quick, and False means: not yet."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

ReadinessCheck = Callable[[], Awaitable[bool]]

_PROBE_TIMEOUT_S = 2.0


async def _exchange(host: str, port: int, request: bytes, reply_lines: int) -> list[bytes]:
    """Send bytes over TCP and read lines of the reply; no reply is an empty list."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                return [await reader.readline() for _ in range(reply_lines)]
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return []


def http_answers(url: str) -> ReadinessCheck:
    """A check that passes once a GET of the URL answers 200."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"

    async def check() -> bool:
        status_line = b"".join(await _exchange(host, port, request.encode(), 1))
        return status_line.split()[1:2] == [b"200"]

    return check


def broker_answers(url: str) -> ReadinessCheck:
    """A check that passes once the Redis-compatible server has loaded its data.

    Args:
        url: ``redis://:password@host:port/0``.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 6379
    request = f"AUTH {parts.password}\r\nPING\r\n".encode()

    async def check() -> bool:
        return await _exchange(host, port, request, 2) == [b"+OK\r\n", b"+PONG\r\n"]

    return check


def database_accepts(url: str) -> ReadinessCheck:
    """A check that passes once the Postgres server lets a client in.

    Args:
        url: A libpq connection URI.
    """

    def connect() -> bool:
        import psycopg2

        try:
            psycopg2.connect(url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    async def check() -> bool:
        return await asyncio.to_thread(connect)

    return check


def worker_takes_work(redis_url: str, name: str) -> ReadinessCheck:
    """A check that passes once the worker of this name, on this machine, has warmed up."""

    def has_beaten() -> bool:
        import psutil
        import redis

        from resources.signals import connect, worker_beats

        try:
            beats = worker_beats(connect(redis_url))
        except redis.RedisError:
            return False
        # A worker that was killed a moment ago has left its last beat, but no process.
        return any(
            beat.state in ("ready", "busy") and psutil.pid_exists(beat.pid)
            for beat in beats
            if beat.name == name
        )

    async def check() -> bool:
        return await asyncio.to_thread(has_beaten)

    return check
