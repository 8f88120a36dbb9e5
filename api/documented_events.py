"""A job's server-sent events, as the OpenAPI document shows them."""

from typing import Any

from pydantic import BaseModel

from api.documented_answers import JSON, reference
from api.example_answers import EVENT_STREAM
from api.job_events import ID_PATTERN
from studio_pipelines.contract.events import (
    JobEvent,
    LogData,
    MetricData,
    ProgressData,
    StatusData,
)
from studio_pipelines.contract.jobs import Job

_DATA: dict[tuple[str, ...], type[BaseModel]] = {
    ("status",): StatusData,
    ("progress",): ProgressData,
    ("log",): LogData,
    ("metric",): MetricData,
    ("completed", "failed", "canceled"): Job,
}


def _event(names: tuple[str, ...], data: type[BaseModel]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "event": {"type": "string", "enum": list(names)},
            "id": {"type": "string", "pattern": ID_PATTERN},
            "data": {
                "type": "string",
                "contentMediaType": JSON,
                "contentSchema": reference(data),
            },
        },
        "required": ["event", "id", "data"],
    }


# OpenAPI 3.1 has no word for the items of a stream; tools take the schema for that of each event.
EVENTS: dict[str, Any] = {
    "schema": {
        "description": "One event, by the HTML standard, section 9.2.",
        "oneOf": [_event(names, data) for names, data in _DATA.items()],
    },
    "x-parsed-event": reference(JobEvent),
    "examples": {"a job to its end": {"value": EVENT_STREAM}},
}
