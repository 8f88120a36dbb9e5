"""Whether the service lives and whether it can take work."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.documented_answers import answer
from api.error_page import error_page
from api.metrics import StudioCollector
from api.state import ServicesDep
from resources.signals import BrokerUnavailable
from studio_pipelines.contract.service import Alive, Readiness
from studio_pipelines.database_faults import DatabaseUnavailable

router = APIRouter(tags=["service"])


@router.get(
    "/healthz",
    operation_id="getHealth",
    response_model=None,
    responses=answer(200, "It runs.", Alive, examples={"ok": {"status": "ok"}}),
)
async def alive() -> dict[str, Any]:
    """Answer as long as the process runs."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    operation_id="getReadiness",
    response_model=None,
    responses={
        **answer(
            200,
            "Jobs can be taken.",
            Readiness,
            examples={"ready": {"status": "ok", "workers": 2}},
        ),
        **answer(
            503,
            "Jobs cannot be taken now.",
            Readiness,
            examples={"broker": {"status": "broker away"}},
        ),
    },
)
async def ready(services: ServicesDep, response: Response) -> dict[str, Any]:
    """Tell whether jobs can be taken: broker and database answer, and the workers are counted."""
    try:
        beats = await asyncio.to_thread(services.workforce.beats)
        await asyncio.to_thread(services.jobs.require_database)
    except BrokerUnavailable:
        response.status_code = 503
        return {"status": "broker away"}
    except DatabaseUnavailable:
        response.status_code = 503
        return {"status": "database away"}
    return {"status": "ok", "workers": len(beats)}


@router.get("/docs/errors", include_in_schema=False)
async def errors() -> HTMLResponse:
    """Explain the codes of errors."""
    return HTMLResponse(error_page())


@router.get("/metrics", include_in_schema=False)
async def metrics(services: ServicesDep) -> Response:
    """Return the studio's metrics, and this process's own, in Prometheus' text format."""
    studio = StudioCollector(str(services.settings.redis_url))
    text = generate_latest() + await asyncio.to_thread(generate_latest, studio)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
