"""What the routes share: built once when the app starts, kept on the app."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.engine import Engine

from api.asset_links import AssetLinks, LinkSigner
from api.callers import caller_of
from api.gate import Gatekeeper
from api.job_events import JobEvents
from api.references import ReferenceResolver
from api.submission import JobSubmissionService
from api.webhook_sender import WebhookSender
from api.webhooks import Webhooks
from api.workforce import Workforce
from resources.artifacts import ArtifactStore
from resources.audit_log import AuditLog
from resources.model_shelf import ModelShelf
from studio_pipelines.settings import Settings


@dataclass(frozen=True)
class Services:
    """The app's long-lived parts."""

    settings: Settings
    artifacts: ArtifactStore
    references: ReferenceResolver
    jobs: JobSubmissionService
    workforce: Workforce
    webhooks: Webhooks
    webhook_sender: WebhookSender
    models: ModelShelf
    events: JobEvents
    signer: LinkSigner | None
    gatekeeper: Gatekeeper
    audit: AuditLog
    access_database: Engine


def services_of(request: Request) -> Services:
    """Return the services of the app that serves this request."""
    return request.app.state.services


def links_for(request: Request) -> AssetLinks:
    """Return where the client of this request gets assets."""
    return AssetLinks(str(request.base_url), services_of(request).signer, caller_of(request).key_id)


ServicesDep = Annotated[Services, Depends(services_of)]
