"""What a job would take, and how its results are made."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from studio_pipelines.contract.answer import Answer
from studio_pipelines.contract.jobs import Model


class HashedModel(Model):
    """A model, known by its weights."""

    sha256: str | None = Field(description="Hash of its weights, where it has any.")


class QuotedModel(HashedModel):
    """A model that a step would run."""

    step: str


class QuoteBasis(Answer):
    """Which jobs a quote goes by."""

    jobs: int
    model: str | None
    input_size: str | None


class Quote(Answer):
    """What a job would take; what nobody has measured yet is null."""

    operation: str
    cached: bool = Field(description="Whether an earlier job would answer.")
    job_id: str | None = Field(description="That job.")
    model: QuotedModel | None
    models: tuple[QuotedModel, ...]
    estimated_seconds: float | None
    peak_ram_mib: float | None = Field(alias="peakRamMiB")
    peak_vram_mib: float | None = Field(alias="peakVramMiB")
    basis: QuoteBasis | None
    scheduled_for: datetime | None = Field(
        None, description="When it would be queued, if not at once."
    )
    queue_position: int | None = Field(description="Place in line; null of a job for later.")
    starts_in_seconds: float | None


class QuoteAnswer(Answer):
    """The answer to a request with `dryRun`: no job was made."""

    success: Literal[True] = True
    dry_run: Literal[True] = True
    quote: Quote


class InputContent(Answer):
    """An input, known by its content."""

    asset: str
    sha256: str


RecipeInputs = Mapping[str, InputContent | tuple[InputContent, ...]]


class RecipeStep(Answer):
    """How one operation of a job worked."""

    operation: str
    version: str
    inputs: RecipeInputs
    parameters: Mapping[str, Any] = Field(description="All of them, defaults too.")
    models: tuple[HashedModel, ...] | None
    seed: int | str | None


class Recipe(Answer):
    """All that decides what a job makes."""

    operation: str
    version: str
    inputs: RecipeInputs = Field(description="Those that several steps share.")
    steps: Mapping[str, RecipeStep]


class JobRecipe(Answer):
    """How a job's results are made."""

    success: Literal[True] = True
    job_id: str
    recipe: Recipe
