"""What can go wrong, as types: a problem document's status chooses the type."""

from collections.abc import Mapping
from typing import Any

import httpx

from studio_pipelines.contract.jobs import Job
from studio_pipelines.contract.problems import Fault

PROBLEM_MEDIA_TYPE = "application/problem+json"


class StudioFault(Exception):
    """Something is wrong, told in plain words.

    Attributes:
        message: What was wrong, with what value.
        code: The machine-readable name of the fault, such as ``unusable_media``.
        field: The request field at fault, or None.
        hint: What to do, or None.
        status: The HTTP status of the answer, or None where none came.
        job_id: The job that it is about, or None.
        retry_after_s: After how many seconds to try again, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        field: str | None = None,
        hint: str | None = None,
        status: int | None = None,
        job_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field
        self.hint = hint
        self.status = status
        self.job_id = job_id
        self.retry_after_s = retry_after_s


class RequestRefused(StudioFault):
    """400, 422: the request cannot be used as it is."""


class MediaRefused(StudioFault):
    """413, 415: a file is too large, or not of a kind that the field takes."""


class NotPermitted(StudioFault):
    """401, 403: there is no API key, or one that may not do this."""


class NotFound(StudioFault):
    """404: there is no such job, asset or message; or it is another key's."""


class Conflict(StudioFault):
    """409: the idempotency key stands for another request, or the job has not ended."""


class TooManyRequests(StudioFault):
    """429: a limit of the API key, also after waiting as long as the studio asked to."""


class StudioUnavailable(StudioFault):
    """503: a part of the studio is away, also after trying again."""


class ServiceFailed(StudioFault):
    """Any other status: the service failed, its disk is full, the operation is not built."""


class StudioUnreachable(StudioFault):
    """No studio answers at the address."""


class UnknownOperation(StudioFault):
    """The studio has no operation of this name, or several that it could mean."""


class JobFailed(StudioFault):
    """The job has failed; its type, code, field and hint are those of its fault."""


class JobCanceled(StudioFault):
    """The job was canceled."""


_BY_STATUS: Mapping[int, type[StudioFault]] = {
    400: RequestRefused,
    401: NotPermitted,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
    413: MediaRefused,
    415: MediaRefused,
    422: RequestRefused,
    429: TooManyRequests,
    503: StudioUnavailable,
}


def fault_of(answer: httpx.Response) -> StudioFault:
    """Return the fault that an answer tells; its body has been read."""
    kind = _BY_STATUS.get(answer.status_code, ServiceFailed)
    problem = _problem_in(answer)
    error = problem.get("error") or {}
    return kind(
        error.get("message") or f"The server answered {answer.status_code}.",
        code=error.get("code") or f"http_{answer.status_code}",
        field=error.get("field"),
        hint=error.get("hint"),
        status=answer.status_code,
        job_id=problem.get("jobId"),
        retry_after_s=retry_after_s(answer),
    )


def fault_of_job(job: Job) -> StudioFault | None:
    """Return why a job that has ended made nothing, or None where it completed."""
    if job.status == "canceled":
        return JobCanceled("The job was canceled.", code="canceled", job_id=job.job_id)
    if job.status != "failed":
        return None
    told = job.error or Fault(status=500, code="operation_failed", message="No reason was given.")
    return JobFailed(
        told.message,
        code=told.code,
        field=told.field,
        hint=told.hint,
        status=told.status,
        job_id=job.job_id,
    )


def retry_after_s(answer: httpx.Response) -> float | None:
    """Return how long an answer asks to wait, in seconds, or None."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None


def _problem_in(answer: httpx.Response) -> dict[str, Any]:
    if not answer.headers.get("content-type", "").startswith(PROBLEM_MEDIA_TYPE):
        return {}
    problem = answer.json()
    return problem if isinstance(problem, dict) else {}
