"""``/api/pipelines``: chains of operations, each in one job."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api import example_answers
from api.chain_schemas import accepted_by, chain_body_model, parse_chain_submission
from api.documented_answers import answer, problems
from api.documented_body import documented_body
from api.errors import NotBuilt
from api.idempotency import KeyHeader
from api.routes.operations import operation_id
from api.submission_answers import SUBMISSION_ANSWERS
from api.submitting import Desk, submit
from studio_pipelines.catalogue import chains, declared_chains, operations
from studio_pipelines.chain import Chain, LinkedChain
from studio_pipelines.contract.service import PipelineList

Handler = Callable[..., Awaitable[JSONResponse]]


def pipeline_router() -> APIRouter:
    """Return the list of the chains, and a route for each; those that are not built answer 501."""
    router = APIRouter(prefix="/api/pipelines", tags=["pipelines"])
    router.add_api_route(
        "",
        list_chains,
        methods=["GET"],
        summary="List the chains",
        operation_id="listPipelines",
        response_model=None,
        responses=answer(
            200,
            "All chains, built or not.",
            PipelineList,
            examples={"pipelines": example_answers.PIPELINES},
        ),
    )
    for name, declared in declared_chains().items():
        chain = chains().get(name)
        note = "" if chain else " (not built yet)"
        router.add_api_route(
            f"/{name}",
            _submit(chain) if chain else _not_built(declared),
            methods=["POST"],
            summary=declared.summary.removesuffix(".") + note,
            operation_id=operation_id(name),
            responses=SUBMISSION_ANSWERS if chain else problems(NotBuilt),
            openapi_extra={"requestBody": _request_body(chain)} if chain else None,
        )
    return router


async def list_chains() -> dict[str, Any]:
    """List the chains with their steps, and the schemas of their requests."""
    return {"pipelines": [_row(chain) for chain in declared_chains().values()], "nextCursor": None}


def _row(declared: Chain) -> dict[str, Any]:
    missing = declared.missing(operations())
    row: dict[str, Any] = {
        "name": declared.name,
        "route": f"/api/pipelines/{declared.name}",
        "built": not missing,
        "missing": list(missing),
        "steps": [step.name for step in declared.steps],
        "summary": declared.summary,
    }
    if chain := chains().get(declared.name):
        row["inputs"] = list(accepted_by(chain))
        row["schema"] = chain_body_model(chain).model_json_schema(by_alias=True)
    return row


def _not_built(declared: Chain) -> Handler:
    async def answer() -> JSONResponse:
        missing = ", ".join(declared.missing(operations()))
        raise NotBuilt(
            f"{declared.name} needs {missing}, which is not built yet.",
            hint=f"Built: {', '.join(chains()) or 'none'}.",
        )

    return answer


def _submit(chain: LinkedChain) -> Handler:
    desk = Desk(
        serves=chain,
        body=chain_body_model(chain),
        accepts=accepted_by(chain),
        parse=partial(parse_chain_submission, chain),
    )

    async def answer(request: Request, idempotency_key: KeyHeader = None) -> JSONResponse:
        return await submit(desk, request, idempotency_key)

    return answer


def _request_body(chain: LinkedChain) -> dict[str, Any]:
    return documented_body(chain_body_model(chain), chain.chain.examples)
