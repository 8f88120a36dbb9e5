"""``/api/pipelines``: chains of operations, each in one job."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.answers import answer_submitted
from api.chain_schemas import accepted_by, chain_body_model, parse_chain_submission
from api.documented_body import documented_body
from api.errors import NotBuilt
from api.intake import Intake
from api.request_body import read_body
from api.state import services_of
from studio_pipelines.catalogue import chains, declared_chains, operations
from studio_pipelines.chain import Chain, LinkedChain

Handler = Callable[..., Awaitable[JSONResponse]]


def pipeline_router() -> APIRouter:
    """Return the list of the chains, and a route for each; those that are not built answer 501."""
    router = APIRouter(prefix="/api/pipelines", tags=["pipelines"])
    router.add_api_route("", list_chains, methods=["GET"], summary="List the chains")
    for name, declared in declared_chains().items():
        chain = chains().get(name)
        note = "" if chain else " (not built yet)"
        router.add_api_route(
            f"/{name}",
            _submit(chain) if chain else _not_built(declared),
            methods=["POST"],
            summary=declared.summary.removesuffix(".") + note,
            operation_id=name,
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
    async def answer(request: Request) -> JSONResponse:
        services = services_of(request)
        await services.jobs.require_worker(chain)
        # A request that is refused leaves nothing behind.
        with Intake(services.artifacts, services.settings.max_upload_bytes) as intake:
            body = await read_body(request, intake, chain_body_model(chain))
            submission = parse_chain_submission(chain, body)
            kinds = accepted_by(chain)
            inputs = await services.references.resolve_all(kinds, submission.inputs, intake)
            job_id = await services.jobs.submit(submission.order(chain, inputs))
        at_once = bool(submission.run.async_)
        return await answer_submitted(request, services, job_id, at_once=at_once)

    return answer


def _request_body(chain: LinkedChain) -> dict[str, Any]:
    files = {name: name == chain.main_input for name in accepted_by(chain)}
    return documented_body(chain_body_model(chain), chain.chain.examples, files)
