"""Faults as RFC 9457 problem documents: the one place where an exception becomes an answer."""

import http
from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.refusals import Refusal
from studio_pipelines.errors import StudioError, problem_of

PROBLEM_MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
log = structlog.get_logger(__name__)


class BadJson(StudioError):
    """The body is not the JSON object that the route takes."""

    status = 400
    code = "bad_json"


class InvalidRequest(StudioError):
    """A field is missing, unknown, or has a value that its schema does not admit."""

    status = 422
    code = "invalid_request"


class JobNotFound(StudioError):
    """No job has this id."""

    status = 404
    code = "job_not_found"


class RecipeUnknown(StudioError):
    """It is not known how the job's results are made."""

    status = 404
    code = "recipe_unknown"


class IdempotencyConflict(StudioError):
    """The idempotency key stands for another request."""

    status = 409
    code = "idempotency_conflict"


class WebhookNotFound(StudioError):
    """No such message about the job is kept."""

    status = 404
    code = "webhook_not_found"


class JobGoesOn(StudioError):
    """The job has not ended, and what was asked needs its end."""

    status = 409
    code = "job_goes_on"


class NotBuilt(StudioError):
    """The operation belongs to the studio and is not built yet."""

    status = 501
    code = "not_built"


class WorkersAway(StudioError):
    """No worker that serves the operation gives a sign of life."""

    status = 503
    code = "workers_away"


class UploadTooLarge(StudioError):
    """The file or body is larger than the service takes."""

    status = 413
    code = "upload_too_large"


class JobCanceled(StudioError):
    """The job that the call waited for was canceled."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "canceled"


def problem_response(
    problem: Mapping[str, Any],
    *,
    instance: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Return the problem document of a fault as :func:`problem_of` describes it."""
    status = int(problem["status"])
    error = {name: problem.get(name) for name in ("code", "message", "field", "hint")}
    retry = {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else {}
    return JSONResponse(
        {
            "type": f"urn:studio:problem:{problem['code']}",
            "title": http.HTTPStatus(status).phrase,
            "status": status,
            "detail": problem["message"],
            "instance": instance,
            "success": False,
            "error": error,
            **more,
        },
        status_code=status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers={**retry, **(headers or {})},
    )


def refusal_response(error: StudioError, *, instance: str) -> JSONResponse:
    """Return the problem document of a fault, with what a refusal tells besides."""
    headers, more = (error.headers, error.more) if isinstance(error, Refusal) else ({}, {})
    return problem_response(problem_of(error), instance=instance, headers=headers, **more)


def install_error_handlers(app: FastAPI) -> None:
    """Make every fault that reaches the app a problem document."""

    @app.exception_handler(StudioError)
    async def on_studio_error(request: Request, error: StudioError) -> JSONResponse:
        return refusal_response(error, instance=request.url.path)

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
        phrase = http.HTTPStatus(error.status_code).phrase
        problem = {
            "status": error.status_code,
            "code": phrase.lower().replace(" ", "_"),
            "message": str(error.detail),
        }
        return problem_response(problem, instance=request.url.path)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        # The first part says where it was: in the path, the query, the headers.
        field = ".".join(str(part) for part in first["loc"][1:]) or None
        fault = InvalidRequest(f"{field}: {first['msg']}.", field=field)
        return problem_response(problem_of(fault), instance=request.url.path)

    @app.exception_handler(ClientDisconnect)
    async def on_gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    @app.exception_handler(500)
    async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("request failed", path=request.url.path, exc_info=error)
        problem = {
            "status": 500,
            "code": "internal_error",
            "message": "The service failed on this request.",
            "hint": "Try again; the service's log has the cause.",
        }
        return problem_response(problem, instance=request.url.path)
