"""The way of one submission, the same for operations and chains: body, inputs, order, job."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.answers import answer_submitted
from api.auditing import note
from api.callers import caller_of
from api.idempotency import submission_key
from api.intake import Intake
from api.job_order import AssetIds, JobOrder
from api.job_schedule import Schedule, schedule_of
from api.quotes import quote_of
from api.recipes import Recipe, recipe_of
from api.request_body import read_body
from api.schemas import SubmitFields
from api.state import services_of
from resources.submission_claims import SubmissionKey
from studio_pipelines.chain import LinkedChain
from studio_pipelines.media.sniff import Media
from studio_pipelines.operation import Operation


class Parsed(Protocol):
    """A request, checked and taken apart."""

    @property
    def inputs(self) -> Mapping[str, str | list[str]]:
        """Media references by input."""
        ...

    @property
    def run(self) -> SubmitFields:
        """How to run it."""
        ...

    def order(self, asset_ids: AssetIds) -> JobOrder:
        """Return the order, with the inputs as the assets that they were resolved to."""
        ...


@dataclass(frozen=True)
class Desk:
    """Where requests for one operation or chain are taken.

    Attributes:
        serves: The operation or chain.
        body: Checks a request's body.
        accepts: The kinds of media that each input may be.
        parse: Takes a body apart.
        waits_by_default: Whether a request without ``async`` waits for the result.
    """

    serves: Operation | LinkedChain
    body: type[BaseModel]
    accepts: Mapping[str, tuple[Media, ...]]
    parse: Callable[[dict[str, Any]], Parsed]
    waits_by_default: bool = True


async def submit(desk: Desk, request: Request, idempotency_key: str | None) -> JSONResponse:
    """Answer a request with the result of its job, with where that will be, or with a quote."""
    services, caller = services_of(request), caller_of(request)
    caller.require_scope(desk.serves.name)
    # A request that is refused leaves nothing behind.
    with Intake(services.artifacts, services.settings.max_upload_bytes, caller) as intake:
        body = await read_body(request, intake, desk.body)
        parsed = desk.parse(body)
        schedule = schedule_of(parsed.run.schedule, services.settings, datetime.now(UTC))
        if schedule is None:
            await services.workforce.require(desk.serves)
        key = None
        if idempotency_key is not None:
            key = submission_key(idempotency_key, request.url.path, body, intake.kept, caller.owner)
        ordered = partial(_ordered, desk, parsed, schedule, request, intake, key)
        if parsed.run.dry_run:
            quote = await quote_of(services, *await ordered())
            await asyncio.to_thread(intake.drop)
            return JSONResponse({"success": True, "dryRun": True, "quote": quote})
        name = desk.serves.name
        submitted = await services.jobs.submitted_before(key, name) if key else None
        if submitted is None:
            submitted = await services.jobs.submit(*await ordered(), key)
        if not submitted.is_new:
            await asyncio.to_thread(intake.drop)
        await note(request, "job.submitted", submitted.job_id, operation=name, new=submitted.is_new)
    at_once = not desk.waits_by_default if parsed.run.async_ is None else parsed.run.async_
    # Nobody waits for a job that waits itself.
    at_once = at_once or schedule is not None
    return await answer_submitted(request, services, submitted, at_once=at_once)


async def _ordered(
    desk: Desk,
    parsed: Parsed,
    schedule: Schedule | None,
    request: Request,
    intake: Intake,
    key: SubmissionKey | None,
) -> tuple[JobOrder, Recipe]:
    services, run = services_of(request), parsed.run
    subscription = None
    if run.webhook is not None:
        base_url = str(request.base_url)
        subscription = await services.webhooks.subscription(run.webhook, base_url, key)
    ids = await services.references.resolve_all(desk.accepts, parsed.inputs, intake)
    reuses = may_reuse(run, request.headers.get("cache-control"))
    order = replace(
        parsed.order(ids),
        owner=intake.caller.owner,
        limits=intake.caller.limits,
        reuses=reuses,
        webhook=subscription,
        schedule=schedule,
    )
    return order, await asyncio.to_thread(recipe_of, order, services.artifacts, services.models)


def may_reuse(run: SubmitFields, cache_control: str | None) -> bool:
    """Whether an earlier job may answer: what ``cache`` says, else what ``Cache-Control`` does.

    Its ``no-cache`` and ``no-store`` (RFC 9111) are for clients that send one header with all of
    their requests.
    """
    if "cache" in run.model_fields_set:
        return run.cache
    named = {one.strip().lower() for one in (cache_control or "").split(",")}
    return not named & {"no-cache", "no-store"}
