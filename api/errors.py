"""Faults as RFC 9457 problem documents: the one place where an exception becomes an answer."""

import http
from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route

from api.refusals import Refusal
from studio_pipelines.errors import StudioError, problem_of

PROBLEM_MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
log = structlog.get_logger(__name__)


class BadJson(StudioError):
    """The body is not a JSON object, is nested too deep or too long, or its form is broken."""

    status = 400
    code = "bad_json"
    advice = "Send one JSON object, or let your client write the form."


class InvalidRequest(StudioError):
    """A field is missing, unknown, or has a value that its schema does not admit."""

    status = 422
    code = "invalid_request"
    advice = (
        "The first field at fault is named. `GET /api/operations` and `GET /api/pipelines` have "
        "the schema of each request; an asset that is named as input has to exist."
    )


class JobNotFound(StudioError):
    """No job has this id."""

    status = 404
    code = "job_not_found"
    advice = "Look at the id; jobs that have ended are forgotten after a while, at `expiresAt`."


class RecipeUnknown(StudioError):
    """It is not known how the job's results are made."""

    status = 404
    code = "recipe_unknown"
    advice = (
        "Only jobs that were submitted over this interface, by this version or a later one, "
        "have a recipe; those of the Dagster UI have none."
    )


class IdempotencyConflict(StudioError):
    """The idempotency key stands for another request."""

    status = 409
    code = "idempotency_conflict"
    advice = (
        "Take a new key for each new request, and the same one, for 24 hours, only to send a "
        "request again."
    )


class WebhookNotFound(StudioError):
    """No such message about the job is kept."""

    status = 404
    code = "webhook_not_found"
    advice = (
        "Messages go after eight days. `GET /api/jobs/<jobId>/webhooks` lists those that there are."
    )


class JobGoesOn(StudioError):
    """The job has not ended, and what was asked needs its end."""

    status = 409
    code = "job_goes_on"
    advice = "Cancel the job first, or wait for its end."


class NotBuilt(StudioError):
    """The operation belongs to the studio and is not built yet."""

    status = 501
    code = "not_built"
    advice = "The hint lists those that are."


class WorkersAway(StudioError):
    """No worker that serves the operation gives a sign of life."""

    status = 503
    code = "workers_away"
    advice = "No job was made. Try again soon, or start a worker."


class UploadTooLarge(StudioError):
    """The file or body is larger than the service takes."""

    status = 413
    code = "upload_too_large"
    advice = (
        "The limits are `STUDIO_MAX_UPLOAD_BYTES` (4 GiB by default) for a file, 64 MiB for a "
        "JSON body and 1 MiB for a plain form field. Send large files to `POST /api/assets`, as "
        "they are, and name them as `asset:<id>`."
    )


class JobCanceled(StudioError):
    """The job that the call waited for was canceled."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "canceled"
    advice: ClassVar[str] = "Submit it again if that was a mistake."


class InternalError(StudioError):
    """The service itself failed on this request."""

    status = 500
    code = "internal_error"
    advice = "Try again; the API's log has the cause."


def problem_type(code: str) -> str:
    """Return what identifies a kind of problem: where this studio explains it."""
    return f"/docs/errors#{code}"


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
            "type": problem_type(problem["code"]),
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


def methods_of(app: FastAPI, request: Request) -> list[str]:
    """Return the methods that a path has; of its routes Starlette tells the first one's alone."""
    methods: set[str] = set()
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return sorted(methods)


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
        answer = problem_response(problem, instance=request.url.path)
        answer.headers.update(error.headers or {})
        if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(methods_of(app, request))
        return answer

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
        fault = InternalError(
            "The service failed on this request.",
            hint="Try again; the service's log has the cause.",
        )
        return problem_response(problem_of(fault), instance=request.url.path)
