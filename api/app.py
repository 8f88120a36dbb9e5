"""Assembly of the HTTP service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from api.asset_links import LinkSigner
from api.cross_origin import allow_origins
from api.documented_refusals import GUARDED
from api.errors import install_error_handlers
from api.fetch_policy import FetchPolicy
from api.gate import Gate, Gatekeeper
from api.housekeeping import keep_audit, keep_house
from api.job_events import JobEvents
from api.references import ReferenceResolver
from api.routes import assets, jobs, service, workers
from api.routes.operations import operation_router
from api.routes.pipelines import pipeline_router
from api.state import Services
from api.submission import JobSubmissionService
from api.webhook_post import WebhookPost
from api.webhook_sender import WebhookSender
from api.webhooks import Webhooks
from api.workforce import Workforce
from resources.api_keys import KeyRing
from resources.artifacts import ArtifactStore
from resources.audit_log import AuditLog
from resources.tracing import tracer_provider
from studio_pipelines.access_database import open_access_database
from studio_pipelines.instance import open_instance
from studio_pipelines.log_format import set_log_format
from studio_pipelines.model_shelf import model_shelf
from studio_pipelines.settings import Settings, load_settings

log = structlog.get_logger(__name__)


class MissingBroker(RuntimeError):
    """The service was started without the address of a broker."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the service; it connects to its servers when it starts."""
    settings = settings or load_settings()
    set_log_format()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = make_services(settings)
        await services.jobs.start()
        app.state.services = services
        works = (keep_house(services), keep_audit(services), services.webhook_sender.run())
        tasks = [asyncio.create_task(work) for work in works]
        for task in tasks:
            task.add_done_callback(tell_if_it_failed)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await services.events.stop()
        await services.jobs.stop()
        services.access_database.dispose()

    app = FastAPI(
        title="Multi-modal studio",
        version="0.1.0",
        summary="Eleven media operations behind one small HTTP API.",
        lifespan=lifespan,
        telemetry=request_traces(),
    )
    install_error_handlers(app)
    for router in (operation_router(), pipeline_router(), jobs.router, assets.router):
        app.include_router(router, **GUARDED)
    app.include_router(workers.router, **GUARDED)
    app.include_router(service.router)
    app.add_middleware(Gate)
    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)
    return app


def tell_if_it_failed(task: asyncio.Task[None]) -> None:
    """Log that a task which runs as long as the service has come to an end of its own."""
    if not task.cancelled() and (error := task.exception()):
        log.error("a task of the service failed", exc_info=error)


def request_traces() -> TelemetryConfig:
    """Return how FastAPI traces requests: below ``/api/``, where a collector is configured."""
    provider = tracer_provider()
    return TelemetryConfig(
        tracer_provider=provider,
        tracing=provider is not None,
        operation_spans=False,
        exclude=lambda scope: not scope["path"].startswith("/api/"),
        # Figures are at /metrics, and logs in the log; FastAPI would send both out as well.
        metrics=False,
        logs=False,
        auto_configure=False,
    )


def make_services(settings: Settings) -> Services:
    """Connect to storage and broker.

    Raises:
        MissingBroker: No broker is configured; ``studio up`` runs one and sets it.
    """
    if settings.redis_url is None:
        raise MissingBroker("Set STUDIO_REDIS_URL, or start the service with `studio up`.")
    artifacts = ArtifactStore(url=settings.asset_url, quota_bytes=settings.asset_quota_bytes)
    policy = FetchPolicy(
        allowed_hosts=settings.fetch_allowed_hosts,
        allow_private_addresses=settings.fetch_allow_private_addresses,
        max_bytes=settings.max_upload_bytes,
    )
    jobs = JobSubmissionService(
        open_instance(waits=False), settings.redis_url, artifacts, settings.keep_runs_days
    )
    post = WebhookPost.of(settings)
    signer = LinkSigner.of(settings) if settings.needs_keys else None
    access_database = open_access_database(settings)
    return Services(
        settings=settings,
        artifacts=artifacts,
        references=ReferenceResolver(artifacts, policy, settings.max_upload_bytes),
        jobs=jobs,
        workforce=Workforce(settings.redis_url),
        webhooks=Webhooks(settings.redis_url, post),
        webhook_sender=WebhookSender(
            jobs, settings.redis_url, post, settings.webhook_retry_s, signer
        ),
        models=model_shelf(settings),
        events=JobEvents(jobs, settings.redis_url),
        signer=signer,
        gatekeeper=Gatekeeper(settings, settings.redis_url, KeyRing(access_database), signer),
        audit=AuditLog(access_database),
        access_database=access_database,
    )
