"""``POST /api/<studio>/<verb>``: one route a worker, read off the catalogue."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic.alias_generators import to_camel

from api import example_answers
from api.documented_answers import answer, problems
from api.documented_body import documented_body
from api.errors import NotBuilt
from api.idempotency import KeyHeader
from api.schemas import body_model, parse_submission
from api.state import ServicesDep
from api.submission_answers import SUBMISSION_ANSWERS
from api.submitting import Desk, submit
from studio_pipelines.catalogue import Worker, operation_of, operations, workers
from studio_pipelines.contract.service import OperationList
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
                operation_id=operation_id(worker.route),
                responses=problems(NotBuilt),
            )
        else:
            router.add_api_route(
                worker.route,
                _submit(operation),
                methods=["POST"],
                tags=[studio],
                summary=operation.summary,
                operation_id=operation_id(worker.route),
                responses=SUBMISSION_ANSWERS,
                openapi_extra={"requestBody": _request_body(operation)},
            )

    router.add_api_route(
        "/operations",
        _catalogue,
        methods=["GET"],
        tags=["service"],
        summary="List the operations",
        operation_id="listOperations",
        response_model=None,
        responses=answer(
            200,
            "All operations, built or not.",
            OperationList,
            examples={"operations": example_answers.OPERATIONS},
        ),
    )
    return router


def operation_id(route: str) -> str:
    """Return the name of an operation in clients: ``/grading/apply`` is ``gradingApply``."""
    return to_camel("_".join(re.split(r"\W+", route.strip("/"))))


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
                "inputs": list(operation.accepts),
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
    return documented_body(body_model(operation), operation.examples)
