"""The request fields that every operation shares, and the bodies derived from its declaration."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from api.errors import InvalidRequest
from api.job_order import AssetIds, JobOrder, OpOrder
from studio_pipelines.media.sniff import Media
from studio_pipelines.operation import Operation, Parameters

_ONE, _MANY = "(one)", "(many)"


_WISHES = ("now", "batch")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)", re.ASCII | re.IGNORECASE
)


def _when(value: object, checked: ValidatorFunctionWrapHandler) -> object:
    """Refuse what is no time, and what pydantic would take for a count of seconds."""
    is_written = isinstance(value, str) and (value in _WISHES or _TIME.fullmatch(value))
    with suppress(ValidationError):
        if is_written or isinstance(value, datetime):
            return checked(value)
    told = "It is now, batch, or a time such as 2026-01-31T01:00:00+01:00"
    raise PydanticCustomError("schedule", told)


class Webhook(Parameters):
    """Where to tell of a job's end."""

    url: str = Field(
        min_length=1,
        max_length=2048,
        description="Takes a POST, signed in the Standard Webhooks format, for each event. A "
        "message that is not answered with 2xx is sent again over 24 hours.",
    )
    events: list[Literal["completed", "failed", "canceled", "progress"]] = Field(
        ["completed", "failed", "canceled"],
        min_length=1,
        description="What is told. Progress is told at most every 2 s, once.",
    )


class SubmitFields(Parameters):
    """How a job is run, apart from what it does."""

    async_: bool | None = Field(
        None, alias="async", description="Answer at once (202) instead of waiting for the result."
    )
    priority: int = Field(5, ge=0, le=9, description="0 is the lowest, 9 the highest.")
    schedule: Annotated[Literal["now", "batch"] | AwareDatetime, WrapValidator(_when)] = Field(
        "now",
        description="When the job is queued: `now`; with the next nightly `batch`; or not before a "
        "time (RFC 3339, with its offset) within the next 30 days. One that is not queued at once "
        "is answered with 202 and `scheduled`, also without `async`.",
    )
    timeout_seconds: int | None = Field(
        None, ge=1, le=7 * 24 * 3600, description="Deadline of the job, in seconds."
    )
    cache: bool = Field(
        True,
        description="Whether an identical earlier job may answer: at once and with `cached: true`, "
        "if it has completed and its assets are still there, or when it ends, if it is under way.",
    )
    webhook: Webhook | None = Field(None, description="Where to tell of the job's end.")
    dry_run: bool = Field(
        False,
        description="Check the request and quote, without making a job: the model and its licence, "
        "seconds and memory by what jobs like it have taken, the place in line.",
    )


@dataclass(frozen=True)
class Submission:
    """One request, taken apart.

    Attributes:
        operation: What it is for.
        inputs: Media references by input name, or a list of them.
        parameters: The operation's parameters that the request set.
        run: How to run it.
    """

    operation: Operation
    inputs: Mapping[str, str | list[str]]
    parameters: Mapping[str, Any]
    run: SubmitFields

    def order(self, asset_ids: AssetIds) -> JobOrder:
        """Return the order, with the inputs as the assets that they were resolved to."""
        return JobOrder(
            operation=self.operation,
            ops={self.operation.name: OpOrder(asset_ids, self.parameters)},
            priority=self.run.priority,
            timeout_s=self.run.timeout_seconds or self.operation.timeout_s,
        )


@cache
def body_model(operation: Operation) -> type[BaseModel]:
    """Return the flat request body: inputs, parameters and the reserved fields."""
    inputs: dict[str, Any] = {name: _input_field(operation, name) for name in operation.accepts}
    title = "".join(part.capitalize() for part in operation.name.split("_"))
    return create_model(f"{title}Request", __base__=(operation.parameters, SubmitFields), **inputs)


def _input_field(operation: Operation, name: str) -> tuple[Any, Any]:
    return input_field(
        operation.accepts[name],
        required=name in operation.required_inputs,
        most=operation.most_items if name == operation.main_input else 1,
    )


def input_field(kinds: tuple[Media, ...], *, required: bool, most: int) -> tuple[Any, Any]:
    """Return an input's type and description; it may be a list where ``most`` is above 1."""
    what = " or ".join(kind.value for kind in kinds)
    described = f"The {what}: `asset:<id>`, an http(s) URL or a `data:` URI."
    form: Any = str
    if most > 1:
        described += f" Or a list of 1 to {most}, done as one job."
        form = _one_or(most)
    if required:
        return (form, Field(description=described))
    return (form | None, Field(None, description=described))


def _one_or(most: int) -> Any:
    many = Annotated[list[str], Field(min_length=1, max_length=most), Tag(_MANY)]
    return Annotated[
        Annotated[str, Tag(_ONE)] | many,
        Discriminator(lambda given: _MANY if isinstance(given, list) else _ONE),
    ]


def parse_submission(operation: Operation, body: dict[str, Any]) -> Submission:
    """Check a body against the operation's schema and take it apart.

    Raises:
        InvalidRequest: A field is missing, unknown or out of its range; the first one is named.
    """
    try:
        checked = body_model(operation).model_validate(body)
    except ValidationError as error:
        raise first_fault(error) from error
    values = checked.model_dump(mode="json", exclude_unset=True)
    inputs = {name: values.pop(name) for name in operation.accepts if values.get(name) is not None}
    chosen = {name: values.pop(name) for name in SubmitFields.model_fields if name in values}
    parameters = {name: values[name] for name in values if name not in operation.accepts}
    return Submission(operation, inputs, parameters, SubmitFields(**chosen))


def first_fault(
    error: ValidationError,
    *,
    as_they_are: Collection[str] = (),
    see: str = "/api/operations",
) -> InvalidRequest:
    """Return the first fault of a body that does not fit its schema.

    Args:
        error: What pydantic found.
        as_they_are: Names that are not written in camelCase.
        see: Where the schemas are.
    """
    fault = error.errors(include_url=False, include_context=False)[0]
    loc = [part for part in fault["loc"] if part not in (_ONE, _MANY)]
    path = [
        part if isinstance(part, int) or part in as_they_are else to_camel(str(part))
        for part in loc
    ]
    field = ".".join(str(part) for part in path) or None
    if fault["type"] == "extra_forbidden":
        message = f"There is no field {field!r} here."
    else:
        given = "" if fault["type"] == "missing" else f" (got {str(fault['input'])[:80]!r})"
        message = f"{field}: {fault['msg']}{given}."
    return InvalidRequest(message, field=field, hint=f"GET {see} has the schemas.")
