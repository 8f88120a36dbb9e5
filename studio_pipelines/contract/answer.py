"""What all answers have in common."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel


class Answer(BaseModel):
    """A part of an answer: camelCase outside; a field that a newer studio adds is no fault."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        protected_namespaces=(),
    )


Metrics = Annotated[
    dict[str, Any],
    Field(description="Figures of the work itself, units in the names."),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]
Verification = Annotated[
    dict[str, Any],
    Field(description="What the job measured of its own output."),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "passed": {
                    "type": "boolean",
                    "description": "Whether the output is what was asked for, as measured.",
                }
            },
            "required": ["passed"],
            "additionalProperties": True,
        }
    ),
]
