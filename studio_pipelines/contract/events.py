"""What a job's stream of server-sent events carries, and what webhooks do."""

from datetime import datetime
from typing import Literal

from pydantic import Field, RootModel

from studio_pipelines.contract.answer import Answer, Metrics, Verification
from studio_pipelines.contract.assets import Asset
from studio_pipelines.contract.jobs import Job, JobStatus


class StatusData(Answer):
    """A state that the job has come to."""

    status: JobStatus


class ProgressData(Answer):
    """How far the job is."""

    percent: float = Field(ge=0, le=100)
    stage: str
    preview: Asset | None = Field(None, description="The result so far.")


class LogData(Answer):
    """A line of the job's log."""

    level: str
    message: str


class MetricData(Answer):
    """What an operation of the job has measured."""

    operation: str
    metrics: Metrics
    verification: Verification


class StatusEvent(Answer):
    """`event: status`."""

    event: Literal["status"]
    id: str
    data: StatusData


class ProgressEvent(Answer):
    """`event: progress`."""

    event: Literal["progress"]
    id: str
    data: ProgressData


class LogEvent(Answer):
    """`event: log`."""

    event: Literal["log"]
    id: str
    data: LogData


class MetricEvent(Answer):
    """`event: metric`."""

    event: Literal["metric"]
    id: str
    data: MetricData


class EndEvent(Answer):
    """The last event, named for how the job ended; its data are the job's record."""

    event: Literal["completed", "failed", "canceled"]
    id: str
    data: Job


class JobEvent(RootModel[StatusEvent | ProgressEvent | LogEvent | MetricEvent | EndEvent]):
    """What happens to a job."""

    root: StatusEvent | ProgressEvent | LogEvent | MetricEvent | EndEvent = Field(
        discriminator="event"
    )


class JobEndedMessage(Answer):
    """A webhook's message about a job's end."""

    type: Literal["job.completed", "job.failed", "job.canceled"]
    timestamp: datetime
    data: Job


class JobProgress(ProgressData):
    """How far a job is."""

    job_id: str


class JobProgressMessage(Answer):
    """A webhook's message about a job that goes on."""

    type: Literal["job.progress"]
    timestamp: datetime
    data: JobProgress


class WebhookAttempt(Answer):
    """One try to deliver a message."""

    at: datetime
    status: int | None = Field(description="HTTP status of the receiver's answer.")
    error: str | None
    took_ms: float


class WebhookDelivery(Answer):
    """A message about a job's end, and how its delivery went."""

    id: str
    url: str
    event: Literal["completed", "failed", "canceled"]
    status: Literal["pending", "delivered", "given_up"]
    created_at: datetime
    next_try_at: datetime | None
    attempts: tuple[WebhookAttempt, ...]


class WebhookDeliveries(Answer):
    """The messages about a job."""

    webhooks: tuple[WebhookDelivery, ...]
    next_cursor: str | None


class WebhookRedelivery(Answer):
    """A message that is sent once more."""

    success: Literal[True] = True
    job_id: str
    webhook: WebhookDelivery
