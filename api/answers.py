"""Answering a submission: at once, or when its job has ended."""

from fastapi import Request
from fastapi.responses import JSONResponse

from api.errors import JobCanceled, problem_response
from api.job_records import iso
from api.presentation import job_url, present_data
from api.state import Services, links_for
from api.submission import Submitted
from studio_pipelines.database_faults import DatabaseUnavailable
from studio_pipelines.errors import problem_of


async def answer_submitted(
    request: Request, services: Services, submitted: Submitted, *, at_once: bool
) -> JSONResponse:
    """Answer 202 at once, or wait for the job's end as long as a call may wait.

    A job that has completed already, as it was made for an earlier request, is answered with its
    results either way.
    """
    wait_s = 0.0 if at_once else services.settings.sync_wait_s
    if at_once and submitted.is_new:
        schedule = submitted.schedule
        return accepted(
            submitted.job_id,
            "scheduled" if schedule else "queued",
            scheduledFor=iso(schedule.at.timestamp()) if schedule else None,
        )
    try:
        return await _answer_when_done(request, services, submitted, wait_s)
    except DatabaseUnavailable:
        # The job is taken all the same: a fault would have the caller send it again.
        return accepted(submitted.job_id, "processing")


async def _answer_when_done(
    request: Request, services: Services, submitted: Submitted, wait_s: float
) -> JSONResponse:
    job_id = submitted.job_id
    outcome = await services.jobs.wait(job_id, wait_s, is_new=submitted.is_new)
    if outcome is None or (not wait_s and outcome["status"] != "completed"):
        record = await services.jobs.record(job_id)
        return accepted(job_id, record["status"], scheduledFor=record["scheduledFor"])
    if outcome["status"] == "completed":
        data = await services.jobs.completed_data(job_id, outcome)
        return JSONResponse(
            {
                "success": True,
                "jobId": job_id,
                "status": "completed",
                "cached": submitted.cached,
                "data": present_data(data, links_for(request)),
            }
        )
    problem = outcome.get("error") or problem_of(JobCanceled("The job was canceled."))
    return problem_response(problem, instance=request.url.path, jobId=job_id)


def accepted(job_id: str, status: str, **more: str | None) -> JSONResponse:
    """Answer that a job is taken, with what more there is to say of it."""
    told = {name: value for name, value in more.items() if value is not None}
    return JSONResponse(
        {"success": True, "jobId": job_id, "status": status, **told},
        status_code=202,
        headers={"Location": job_url(job_id)},
    )
