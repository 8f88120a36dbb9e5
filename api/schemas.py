"""The request fields that every operation shares, and the bodies derived from its declaration."""

from functools import cache
from typing import Any

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic.alias_generators import to_camel

from api.errors import InvalidRequest
from studio_pipelines.operation import Operation, Parameters

RESERVED_FIELDS = ("async", "priority", "timeout_seconds")


class SubmitFields(Parameters):
    """How a job is run, apart from what it does."""

    async_: bool | None = Field(
        None, alias="async", description="Answer at once (202) instead of waiting for the result."
    )
    priority: int = Field(5, ge=0, le=9, description="0 is the lowest, 9 the highest.")
    timeout_seconds: int | None = Field(
        None, ge=1, le=7 * 24 * 3600, description="Deadline of the job, in seconds."
    )


class Submission(BaseModel):
    """One request, taken apart.

    Attributes:
        inputs: Media references by input name.
        parameters: The operation's parameters that the request set.
        run: How to run it.
    """

    inputs: dict[str, str]
    parameters: dict[str, Any]
    run: SubmitFields


@cache
def body_model(operation: Operation) -> type[BaseModel]:
    """Return the flat request body: inputs, parameters and the reserved fields."""
    inputs: dict[str, Any] = {}
    for name, kinds in operation.accepts.items():
        what = " or ".join(kind.value for kind in kinds)
        described = f"The {what}: `asset:<id>`, an http(s) URL or a `data:` URI."
        required = name in operation.required_inputs
        inputs[name] = (
            (str, Field(description=described))
            if required
            else (str | None, Field(None, description=described))
        )
    title = "".join(part.capitalize() for part in operation.name.split("_"))
    return create_model(f"{title}Request", __base__=(operation.parameters, SubmitFields), **inputs)


def parse_submission(operation: Operation, body: dict[str, Any]) -> Submission:
    """Check a body against the operation's schema and take it apart.

    Raises:
        InvalidRequest: A field is missing, unknown or out of its range; the first one is named.
    """
    try:
        checked = body_model(operation).model_validate(body)
    except ValidationError as error:
        raise _first_fault(error) from error
    values = checked.model_dump(mode="json", exclude_unset=True)
    inputs = {name: values.pop(name) for name in operation.accepts if values.get(name) is not None}
    chosen = {name: values.pop(name) for name in SubmitFields.model_fields if name in values}
    parameters = {name: values[name] for name in values if name not in operation.accepts}
    return Submission(inputs=inputs, parameters=parameters, run=SubmitFields(**chosen))


def _first_fault(error: ValidationError) -> InvalidRequest:
    fault = error.errors(include_url=False, include_context=False)[0]
    path = [part if isinstance(part, int) else to_camel(str(part)) for part in fault["loc"]]
    field = ".".join(str(part) for part in path) or None
    if fault["type"] == "extra_forbidden":
        message = f"There is no field {field!r} here."
    else:
        given = "" if fault["type"] == "missing" else f" (got {str(fault['input'])[:80]!r})"
        message = f"{field}: {fault['msg']}{given}."
    return InvalidRequest(message, field=field, hint="GET /api/operations has the schemas.")
