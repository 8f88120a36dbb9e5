"""What the routes share: built once when the app starts, kept on the app."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.job_events import JobEvents
from api.references import ReferenceResolver
from api.submission import JobSubmissionService
from api.webhook_sender import WebhookSender
from api.webhooks import Webhooks
from api.workforce import Workforce
from resources.artifacts import ArtifactStore
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


def services_of(request: Request) -> Services:
    """Return the services of the app that serves this request."""
    return request.app.state.services


ServicesDep = Annotated[Services, Depends(services_of)]
