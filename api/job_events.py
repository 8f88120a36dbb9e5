"""A job's events as server-sent events, from where a client left off.

The format is that of the HTML standard (section 9.2). Each event's id is its place in the run's
stream; a client that comes back sends the last one that it has as ``Last-Event-ID``, and gets what
came after it.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import redis.asyncio
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from api.asset_links import AssetLinks
from api.errors import InvalidRequest
from api.presentation import present_asset, present_job
from api.submission import JobSubmissionService
from resources.run_events import stream_key
from resources.run_tags import run_id_of
from studio_pipelines.database_faults import DatabaseUnavailable

FIRST = "0-0"
# Ids of events after which nothing follows end so: a client that has one need not come back.
END = "-end"
_ID = re.compile(r"\d{1,20}-\d{1,20}(-end)?")
READ_AT_ONCE = 100
LOOK_EVERY_S = 2.0  # and a sign of life, so that proxies keep the connection
RECONNECT_AFTER_MS = 1000
ENDED = ("completed", "failed", "canceled")


def has_all(last_event_id: str | None) -> bool:
    """Whether a client has had the last event of its job."""
    return last_event_id is not None and last_event_id.endswith(END)


def checked_id(last_event_id: str | None) -> str:
    """Return after which event to go on.

    Raises:
        InvalidRequest: It is no id that this service gives.
    """
    if last_event_id is None:
        return FIRST
    if not _ID.fullmatch(last_event_id):
        raise InvalidRequest(
            f"{last_event_id[:40]!r} is no id of an event.",
            field="Last-Event-ID",
            hint="Send the id of the last event as it came, or leave it out for all there are.",
        )
    return last_event_id


class JobEvents:
    """Follows jobs; a connection to the broker for each that is followed."""

    def __init__(self, jobs: JobSubmissionService, redis_url: str) -> None:
        self._jobs = jobs
        self._redis = redis.asyncio.Redis.from_url(
            redis_url, decode_responses=True, socket_connect_timeout=2, socket_timeout=10
        )

    async def stop(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def follow(self, job_id: str, after: str, links: AssetLinks) -> AsyncIterator[bytes]:
        """Give a job's events as they are sent, until its last one.

        Args:
            job_id: A job that there is.
            after: Id of the last event that the client has.
            links: Where assets are to be had.
        """
        run_id = run_id_of(job_id)
        assert run_id is not None
        yield format_sse_event(retry=RECONNECT_AFTER_MS, comment=f"events of {job_id}")
        record: dict[str, Any] = {"status": "queued"}
        while True:
            ended = record["status"] in ENDED
            entries = await self._read(run_id, after, waits=not ended)
            if ended and not entries:
                yield _event(record["status"], present_job(record, links), after + END)
                return
            for after, fields in entries:
                if fields["type"] != "end":
                    yield _event(fields["type"], _told(fields["data"], links), after)
            # The stream may lack the end: a worker that died, a broker that was away.
            if not entries or entries[-1][1]["type"] == "end":
                record = await self._record(job_id)
                yield KEEPALIVE_COMMENT

    async def _read(
        self, run_id: str, after: str, *, waits: bool
    ) -> list[tuple[str, dict[str, str]]]:
        block_ms = round(LOOK_EVERY_S * 1000) if waits else None
        try:
            found: Any = await self._redis.xread(
                {stream_key(run_id): after}, count=READ_AT_ONCE, block=block_ms
            )
        except redis.RedisError:
            await asyncio.sleep(LOOK_EVERY_S if waits else 0)
            return []
        return [entry for _, entries in found for entry in entries]

    async def _record(self, job_id: str) -> dict[str, Any]:
        while True:
            try:
                return await self._jobs.record(job_id)
            except DatabaseUnavailable:
                await asyncio.sleep(LOOK_EVERY_S)


def _event(kind: str, data: Any, event_id: str) -> bytes:
    return format_sse_event(event=kind, data_str=json.dumps(data), id=event_id)


def _told(text: str, links: AssetLinks) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(text)
    if "fraction" in data:
        data["percent"] = round(100 * data.pop("fraction"), 1)
    if "preview" in data:
        data["preview"] = present_asset(data["preview"], links)
    return data
