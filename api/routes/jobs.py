"""``/api/jobs``: look at a job, follow it, cancel it."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse

from api.job_events import checked_id, has_all
from api.presentation import present_job
from api.state import ServicesDep

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.get("/{job_id}")
async def read_job(
    job_id: str,
    request: Request,
    services: ServicesDep,
    prefer: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """Return a job's record; reading it succeeds also when the job failed.

    With `Prefer: wait=60` (RFC 7240) the answer comes when the job has ended, or after 60 s: so a
    client that lost its synchronous call goes on waiting.
    """
    if wait_s := preferred_wait_s(prefer, services.settings.sync_wait_s):
        await services.jobs.wait(job_id, wait_s)
    return present_job(await services.jobs.record(job_id), str(request.base_url))


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses={200: {"content": {EventSourceResponse.media_type: {}}}, 204: {}},
)
async def follow_job(
    job_id: str,
    request: Request,
    services: ServicesDep,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Follow a job as server-sent events: status, progress, log, metric, and its end.

    A client that was cut off sends `Last-Event-ID` and goes on where it was; after the last event
    the answer is 204, which ends a browser's `EventSource`.
    """
    after = checked_id(last_event_id)
    await services.jobs.record(job_id)
    if has_all(last_event_id):
        return Response(status_code=204)
    events = services.events.follow(job_id, after, str(request.base_url))
    # Proxies must pass each event on at once.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(events, headers=headers)


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: str, services: ServicesDep) -> JSONResponse:
    """Stop a job: at once while it waits, at its next safe point while it runs."""
    if not await services.jobs.cancel(job_id):
        return JSONResponse({"success": True, "jobId": job_id, "status": "already_finished"})
    record = await services.jobs.record(job_id)
    if record["status"] == "canceled":
        return JSONResponse({"success": True, "jobId": job_id, "status": "canceled"})
    return JSONResponse(
        {"success": True, "jobId": job_id, "status": "cancel_requested"}, status_code=202
    )


def preferred_wait_s(prefer: str | None, longest_s: float) -> float:
    """Return how long a `Prefer` header asks to wait, in seconds, at most `longest_s`; else 0."""
    asked = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})", prefer or "", re.IGNORECASE)
    return min(float(asked[1]), longest_s) if asked else 0.0
