"""A job's server-sent events, each once and in order, however often the connection breaks."""

import json
import time
from collections.abc import Iterable, Iterator

import httpx
from pydantic import ValidationError

from studio_pipelines.client.faults import StudioUnreachable
from studio_pipelines.client.transport import TRIES, Transport, pause_s
from studio_pipelines.contract.events import (
    EndEvent,
    JobEvent,
    LogEvent,
    MetricEvent,
    ProgressEvent,
    StatusEvent,
)

Event = StatusEvent | ProgressEvent | LogEvent | MetricEvent | EndEvent
# The studio gives a sign of life every 2 s.
SILENCE_S = 15.0


def follow(transport: Transport, job_id: str, after: str | None = None) -> Iterator[Event]:
    """Give a job's events until the last one; resumes after the last that was given.

    Args:
        transport: The studio.
        job_id: The job.
        after: Id of the last event that is known, or None for all that are kept.

    Raises:
        StudioFault: There is no such job, or no studio answers any more.
    """
    broken = 0
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
        try:
            path = f"/api/jobs/{job_id}/events"
            with transport.stream(path, headers=headers, timeout_s=SILENCE_S) as answer:
                if answer.status_code == httpx.codes.NO_CONTENT:
                    return
                for event in events_in(answer.iter_lines()):
                    after, broken = event.id, 0
                    yield event
                    if isinstance(event, EndEvent):
                        return
        except httpx.TransportError as error:
            broken += 1
            if broken == TRIES:
                raise StudioUnreachable(
                    f"The connection to the studio breaks again and again: {error}",
                    code="unreachable",
                    job_id=job_id,
                ) from error
            time.sleep(pause_s(broken))


def events_in(lines: Iterable[str]) -> Iterator[Event]:
    """Read the format of the HTML standard, section 9.2.6; kinds not known here are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields and (event := _event(fields)):
                yield event
            fields = {}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in fields:
            value = f"{fields['data']}\n{value}"
        if name:  # else it is a comment
            fields[name] = value


def _event(fields: dict[str, str]) -> Event | None:
    try:
        whole = JobEvent.model_validate(
            {"event": fields["event"], "id": fields["id"], "data": json.loads(fields["data"])}
        )
    except (KeyError, ValidationError):  # of a kind that a newer studio tells of
        return None
    return whole.root
