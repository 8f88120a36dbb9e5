"""How a run ended, read off its Dagster events: the one source for workers and API alike."""

from collections.abc import Iterable, Mapping
from typing import Any

from dagster import DagsterEvent, DagsterEventType

from studio_pipelines.operation import RESULT_METADATA

OUTCOME_EVENT_TYPES = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_CANCELED,
}
_STATUS = {
    DagsterEventType.RUN_SUCCESS: "completed",
    DagsterEventType.RUN_FAILURE: "failed",
    DagsterEventType.RUN_CANCELED: "canceled",
}
UNEXPECTED = {
    "status": 500,
    "code": "operation_failed",
    "message": "The operation failed unexpectedly.",
    "field": None,
    "hint": "The run's log in the Dagster UI tells more.",
}


def outcome_of(events: Iterable[DagsterEvent]) -> dict[str, Any] | None:
    """Return ``{status, data | error}`` of an ended run, or None while it goes on.

    Args:
        events: The run's events in order; those of other types are passed over.
    """
    status: str | None = None
    data: Mapping[str, Any] | None = None
    error: Mapping[str, Any] = UNEXPECTED
    for event in events:
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            data = event.materialization.metadata[RESULT_METADATA].value  # pyright: ignore[reportAssignmentType]
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            error = _problem_in(event)
        elif event.event_type in _STATUS:
            status = _STATUS[event.event_type]
    if status == "completed":
        return {"status": status, "data": data}
    if status == "failed":
        return {"status": status, "error": error}
    return {"status": status} if status else None


def _problem_in(event: DagsterEvent) -> Mapping[str, Any]:
    told = event.step_failure_data.user_failure_data
    problem = told.metadata.get("problem") if told else None
    return problem.value if problem else UNEXPECTED  # pyright: ignore[reportReturnType]
