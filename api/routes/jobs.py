"""``/api/jobs``: list jobs, look at one, follow it, cancel it, do it once more, forget it."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse

from api import job_answers
from api.answers import accepted
from api.auditing import note
from api.callers import CallerDep
from api.errors import InvalidRequest
from api.job_archive import JobFilter, no_such_job
from api.job_events import ID_PATTERN, checked_id, has_all
from api.path_ids import JobId, MessageId
from api.presentation import present_job
from api.state import ServicesDep, links_for
from studio_pipelines.catalogue import queues
from studio_pipelines.contract.jobs import JobStatus

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", json_schema_extra={"pattern": ID_PATTERN})
]


async def own_job(request: Request, services: ServicesDep, caller: CallerDep) -> None:
    """Treat another's job as one that there is not, whichever route names it.

    Raises:
        JobNotFound: It is another's.
    """
    job_id = request.path_params.get("job_id")
    if job_id is None or caller.is_admin:
        return
    if not caller.sees(await services.jobs.owner(job_id)):
        raise no_such_job(job_id)


router = APIRouter(prefix="/api/jobs", tags=["jobs"], dependencies=[Depends(own_job)])


@router.get(
    "",
    operation_id="listJobs",
    response_model=None,
    responses=job_answers.LISTED,
)
async def list_jobs(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    status: Annotated[list[JobStatus] | None, Query()] = None,
    operation: Annotated[list[str] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: str | None = None,
) -> dict[str, Any]:
    """List jobs, newest first; `nextCursor` is where the next page begins, or null."""
    names, owner = operations_named(operation), caller.listed_owner
    wanted = JobFilter(names, tuple(status or ()), limit, cursor, owner)
    records, next_cursor = await services.jobs.page(wanted)
    links = links_for(request)
    return {"jobs": [present_job(one, links) for one in records], "nextCursor": next_cursor}


@router.get(
    "/{job_id}",
    operation_id="getJob",
    response_model=None,
    responses=job_answers.READ,
)
async def read_job(
    job_id: JobId,
    request: Request,
    services: ServicesDep,
    prefer: Annotated[str | None, Header(alias="Prefer")] = None,
) -> dict[str, Any]:
    """Return a job's record; reading it succeeds also when the job failed.

    With `Prefer: wait=60` (RFC 7240) the answer comes when the job has ended, or after 60 s: so a
    client that lost its synchronous call goes on waiting.
    """
    if wait_s := preferred_wait_s(prefer, services.settings.sync_wait_s):
        await services.jobs.wait(job_id, wait_s)
    return present_job(await services.jobs.record(job_id), links_for(request))


@router.get(
    "/{job_id}/events",
    operation_id="followJob",
    response_class=Response,
    responses=job_answers.FOLLOWED,
)
async def follow_job(
    job_id: JobId,
    request: Request,
    services: ServicesDep,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow a job as server-sent events: status, progress, log, metric, and its end.

    A client that was cut off sends `Last-Event-ID` and goes on where it was; after the last event
    the answer is 204, which ends a browser's `EventSource`.
    """
    after = checked_id(last_event_id)
    await services.jobs.record(job_id)
    if has_all(last_event_id):
        return Response(status_code=204)
    events = services.events.follow(job_id, after, links_for(request))
    # Proxies must pass each event on at once.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(events, headers=headers)


@router.get(
    "/{job_id}/recipe",
    operation_id="getRecipe",
    response_model=None,
    responses=job_answers.RECIPE,
)
async def read_recipe(job_id: JobId, services: ServicesDep) -> dict[str, Any]:
    """Return how a job's results are made: versions, full parameters, hashes, seed.

    Inputs have the hash of their content, models that of their weights; a seed that was drawn at
    random is told once the job has ended.
    """
    return {"success": True, "jobId": job_id, "recipe": await services.jobs.recipe(job_id)}


@router.get(
    "/{job_id}/webhooks",
    operation_id="listWebhooks",
    response_model=None,
    responses=job_answers.WEBHOOKS,
)
async def list_webhooks(job_id: JobId, services: ServicesDep) -> dict[str, Any]:
    """List the messages about a job's end, with each try to deliver them.

    A message is `pending` until its receiver has taken it (`delivered`), wants no more of them
    (410), or has failed to for 24 hours (`given_up`). The list is kept for eight days.
    """
    await services.jobs.record(job_id)
    return {"webhooks": await services.webhooks.deliveries(job_id), "nextCursor": None}


@router.post(
    "/{job_id}/webhooks/{message_id}/redeliver",
    status_code=202,
    operation_id="redeliverWebhook",
    response_model=None,
    responses=job_answers.REDELIVERED,
)
async def redeliver_webhook(
    job_id: JobId, message_id: MessageId, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Send a message once more, at once and with all of its tries; its id stays the same."""
    await services.jobs.record(job_id)
    webhook = await services.webhooks.redeliver(job_id, message_id)
    await note(request, "webhook.redelivered", job_id, message=message_id)
    return {"success": True, "jobId": job_id, "webhook": webhook}


@router.post(
    "/{job_id}/cancel",
    operation_id="cancelJob",
    responses=job_answers.CANCELED,
)
async def cancel_job(job_id: JobId, request: Request, services: ServicesDep) -> JSONResponse:
    """Stop a job: at once while it waits, at its next safe point while it runs."""
    if not await services.jobs.cancel(job_id):
        return JSONResponse({"success": True, "jobId": job_id, "status": "already_finished"})
    await note(request, "job.canceled", job_id)
    record = await services.jobs.record(job_id)
    if record["status"] == "canceled":
        return JSONResponse({"success": True, "jobId": job_id, "status": "canceled"})
    return JSONResponse(
        {"success": True, "jobId": job_id, "status": "cancel_requested"}, status_code=202
    )


@router.post(
    "/{job_id}/retry",
    status_code=202,
    operation_id="retryJob",
    responses=job_answers.RETRIED,
)
async def retry_job(
    job_id: JobId, request: Request, services: ServicesDep, caller: CallerDep
) -> JSONResponse:
    """Do a job that has ended once more, as a new job with the same inputs and parameters.

    It is queued at once, also if the other one was scheduled.
    """
    caller.require_scope((await services.jobs.record(job_id))["operation"])
    new_id = await services.jobs.retry(job_id, caller.limits)
    await note(request, "job.retried", new_id, retriedFrom=job_id)
    return accepted(new_id, "queued", retriedFrom=job_id)


@router.delete(
    "/{job_id}",
    status_code=204,
    operation_id="deleteJob",
    responses=job_answers.FORGOTTEN,
)
async def delete_job(job_id: JobId, request: Request, services: ServicesDep) -> Response:
    """Forget a job that has ended; its assets stay until they are deleted or expire."""
    await services.jobs.delete(job_id)
    await note(request, "job.deleted", job_id)
    return Response(status_code=204)


def operations_named(names: list[str] | None) -> tuple[str, ...]:
    """Return the operations and chains to list the jobs of: those named, or all.

    Raises:
        InvalidRequest: There is none of such a name.
    """
    known = tuple(queues())
    for name in names or ():
        if name not in known:
            raise InvalidRequest(
                f"operation: there is no {name[:60]!r}.",
                field="operation",
                hint=f"There are {', '.join(known)}.",
            )
    return tuple(names or known)


def preferred_wait_s(prefer: str | None, longest_s: float) -> float:
    """Return how long a `Prefer` header asks to wait, in seconds, at most `longest_s`; else 0."""
    asked = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})", prefer or "", re.IGNORECASE)
    return min(float(asked[1]), longest_s) if asked else 0.0
