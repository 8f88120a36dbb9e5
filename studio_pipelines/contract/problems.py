"""Faults, as RFC 9457 problem documents and as jobs keep them."""

from typing import Literal

from pydantic import Field

from studio_pipelines.contract.answer import Answer


class ErrorDetail(Answer):
    """What is wrong, for a program and for a person."""

    code: str = Field(description="Stable, for programs; `/docs/errors` has all of them.")
    message: str = Field(description="For people: what was wrong, with what value.")
    field: str | None = Field(description="The request field at fault.")
    hint: str | None = Field(description="What to do.")


class Problem(Answer):
    """A fault, by RFC 9457."""

    type: str = Field(description="Where the code is explained, on this server.")
    title: str
    status: int
    detail: str
    instance: str
    success: Literal[False] = False
    error: ErrorDetail
    job_id: str | None = Field(None, description="The job that the call waited for.")
    violated_policies: tuple[str, ...] | None = Field(
        None, alias="violated-policies", description="Of 429: the limits that were reached."
    )


class Fault(Answer):
    """Why a job, or one item of it, failed: what a problem document would say."""

    status: int = Field(500, description="HTTP status that a call which waited is answered with.")
    code: str
    message: str
    field: str | None = None
    hint: str | None = None
