"""``POST /api/<studio>/<verb>``: one route a worker, read off the catalogue."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.documented_answers import SUBMISSION_ANSWERS
from api.documented_body import documented_body
from api.errors import NotBuilt
from api.idempotency import KeyHeader
from api.schemas import body_model, parse_submission
from api.state import ServicesDep
from api.submitting import Desk, submit
from studio_pipelines.catalogue import Worker, operation_of, operations, workers
from studio_pipelines.operation import Operation

Handler = Callable[..., Awaitable[JSONResponse]]


def operation_router() -> APIRouter:
    """Return the routes of every worker, the unbuilt ones answering 501."""
    router = APIRouter(prefix="/api")
    for worker in workers():
        operation = operation_of(worker)
        studio = worker.route.split("/")[1]
        if operation is None:
            router.add_api_route(
                worker.route,
                _not_built(worker),
                methods=["POST"],
                tags=[studio],
                summary=f"{worker.does.capitalize()} (not built yet)",
                operation_id=worker.id,
            )
        else:
            router.add_api_route(
                worker.route,
                _submit(operation),
                methods=["POST"],
                tags=[studio],
                summary=operation.summary,
                operation_id=operation.name,
                responses=SUBMISSION_ANSWERS,
                openapi_extra={"requestBody": _request_body(operation)},
            )

    router.add_api_route("/operations", _catalogue, methods=["GET"], tags=["service"])
    return router


async def _catalogue(services: ServicesDep) -> dict[str, Any]:
    """List the operations with the schemas of their requests, and the models that they can use."""
    rows: list[dict[str, Any]] = []
    for worker in workers():
        operation = operation_of(worker)
        row: dict[str, Any] = {
            "worker": worker.id,
            "route": f"/api{worker.route}",
            "built": operation is not None,
            "summary": operation.summary if operation else worker.does,
            "models": await asyncio.to_thread(services.models.rows, worker.id),
        }
        if operation:
            row |= {
                "name": operation.name,
                "version": operation.version,
                "returns": operation.returns.value,
                "schema": body_model(operation).model_json_schema(by_alias=True),
            }
        rows.append(row)
    return {"operations": rows, "nextCursor": None}


def _not_built(worker: Worker) -> Handler:
    async def answer() -> JSONResponse:
        built = sorted(f"/api{one.route}" for one in operations().values())
        raise NotBuilt(
            f"{worker.id} ({worker.does}) is not built yet.", hint=f"Built: {', '.join(built)}."
        )

    return answer


def _submit(operation: Operation) -> Handler:
    desk = Desk(
        serves=operation,
        body=body_model(operation),
        accepts=operation.accepts,
        parse=partial(parse_submission, operation),
        waits_by_default=operation.waits_by_default,
    )

    async def answer(request: Request, idempotency_key: KeyHeader = None) -> JSONResponse:
        return await submit(desk, request, idempotency_key)

    return answer


def _request_body(operation: Operation) -> dict[str, Any]:
    files = {name: name == operation.main_input for name in operation.accepts}
    return documented_body(body_model(operation), operation.examples, files)
