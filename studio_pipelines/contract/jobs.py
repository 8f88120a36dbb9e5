"""Jobs: their records, and the answers of submissions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from studio_pipelines.contract.answer import Answer, Metrics, Verification
from studio_pipelines.contract.assets import Asset
from studio_pipelines.contract.problems import Fault

JobStatus = Literal[
    "scheduled", "queued", "starting", "processing", "completed", "failed", "canceled"
]
ENDED: tuple[JobStatus, ...] = ("completed", "failed", "canceled")


class Model(Answer):
    """What did the work."""

    name: str
    version: str
    licence: str
    source: str


class StepTimings(Answer):
    """How long a step took, in milliseconds."""

    run_ms: float


class Timings(StepTimings):
    """How long a job took, in milliseconds."""

    queued_ms: float
    start_ms: float
    total_ms: float


class Result(Answer):
    """What was made of one input."""

    url: str | None = Field(description="The main asset; null for a list whose first item failed.")
    assets: Mapping[str, Asset] = Field(description="All results by name, the main one first.")
    metrics: Metrics
    verification: Verification
    notes: tuple[str, ...] = Field((), description="Sentences that a person should know of.")


class FailedItem(Answer):
    """An item of a list that could not be done."""

    error: Fault


class ModelResult(Result):
    """What a model made of an input, or of a list of them."""

    model: Model
    items: tuple[Result | FailedItem, ...] | None = Field(
        None, description="Of a list: each item's result or fault, in their order."
    )


class StepResult(ModelResult):
    """What one step of a chain made."""

    timings: StepTimings


class JobData(ModelResult):
    """What a job made."""

    timings: Timings
    steps: Mapping[str, StepResult] | None = Field(
        None, description="Of a chain: each step's results by its name."
    )


class Progress(Answer):
    """How far a job is."""

    percent: float = Field(ge=0, le=100)
    stage: str


class Job(Answer):
    """A job's record."""

    success: Literal[True] = True
    job_id: str
    operation: str = Field(description="Name of the operation or chain.")
    status: JobStatus
    progress: Progress
    queue_position: int | None = Field(description="Place in line while it waits, from 1.")
    estimated_start_at: datetime | None
    scheduled_for: datetime | None = Field(
        None, description="Of a job that was scheduled: before when it is not queued."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="When the record goes.")
    retried_from: str | None = Field(description="The job that it does once more.")
    data: JobData | None = Field(None, description="Where it completed: what it made.")
    error: Fault | None = Field(None, description="Where it failed: why.")

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in ENDED


class JobPage(Answer):
    """Some jobs, newest first."""

    jobs: tuple[Job, ...]
    next_cursor: str | None = Field(description="Where the next page begins.")


class JobAccepted(Answer):
    """A job that is taken and has not ended."""

    success: Literal[True] = True
    job_id: str
    status: JobStatus
    scheduled_for: datetime | None = Field(
        None, description="Of a job that is scheduled: before when it is not queued."
    )


class JobRetried(JobAccepted):
    """A job that does another one once more."""

    retried_from: str


class JobCompleted(Answer):
    """A job that was waited for, with its results."""

    success: Literal[True] = True
    job_id: str
    status: Literal["completed"]
    cached: bool = Field(description="Whether an identical earlier job answers.")
    data: JobData


class JobStopped(Answer):
    """What became of the wish to stop a job."""

    success: Literal[True] = True
    job_id: str
    status: Literal["canceled", "already_finished", "cancel_requested"]
