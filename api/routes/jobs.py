"""``/api/jobs``: look at a job, cancel it."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.presentation import present_job
from api.state import ServicesDep

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.get("/{job_id}")
async def read_job(job_id: str, request: Request, services: ServicesDep) -> dict[str, Any]:
    """Return a job's record; reading it succeeds also when the job failed."""
    return present_job(await services.jobs.record(job_id), str(request.base_url))


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
