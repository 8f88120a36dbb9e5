"""How a run ended, read off its Dagster events: the one source for workers and API alike."""

from collections.abc import Iterable, Mapping
from typing import Any

from dagster import DagsterEvent, DagsterEventType

from resources.launcher import WORKER_LOST
from studio_pipelines.errors import DeadlineExceeded, OperationFailed, WorkerLost, problem_of
from studio_pipelines.op_records import RESULT_METADATA

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
UNEXPECTED = problem_of(
    OperationFailed(
        "The operation failed unexpectedly.",
        hint="The run's log in the Dagster UI tells more.",
    )
)
WORKER_DIED = problem_of(
    WorkerLost(
        "The job was stopped: the process that ran it died each time.",
        hint="A smaller input may need less memory; the worker's log tells more.",
    )
)
OVERDUE = problem_of(
    DeadlineExceeded(
        "The job took longer than its limit.",
        field="timeoutSeconds",
        hint="Give it longer with timeoutSeconds, or a smaller input.",
    )
)
# What Dagster's monitoring says when it ends a run that no longer can itself.
_GIVEN_UP = {WORKER_LOST: WORKER_DIED, "Exceeded maximum runtime": OVERDUE}


def outcome_of(events: Iterable[DagsterEvent]) -> dict[str, Any] | None:
    """Return ``{status, data | error}`` of an ended run, or None while it goes on.

    The data of a chain are its last step's, with all of them by name under ``steps``.

    Args:
        events: The run's events in order; those of other types are passed over.
    """
    status: str | None = None
    steps: dict[str, Any] = {}
    error: Mapping[str, Any] = UNEXPECTED
    for event in events:
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            if result := _result_in(event):
                steps[event.step_key or ""] = result
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            error = _problem_in(event)
        elif event.event_type in _STATUS:
            status = _STATUS[event.event_type]
            error = _why_given_up(event.message or "") or error
    if status == "completed":
        return {"status": status, "data": _data_of(steps)}
    if status == "failed":
        return {"status": status, "error": error}
    return {"status": status} if status else None


def _data_of(steps: dict[str, Any]) -> dict[str, Any]:
    *_, last = steps.values()
    return last if len(steps) == 1 else {**last, "steps": steps}


def _result_in(event: DagsterEvent) -> Any:
    """Return what an op's result event records; None of a part's, which only the UI shows."""
    metadata = event.materialization.metadata
    return metadata[RESULT_METADATA].value if RESULT_METADATA in metadata else None


def figures_of(event: DagsterEvent) -> dict[str, Any] | None:
    """Return what an op measured, read off the event of its result; None of a part's."""
    result = _result_in(event)
    if result is None:
        return None
    return {
        "operation": event.materialization.asset_key.path[-1],
        "metrics": result["metrics"],
        "verification": result["verification"],
    }


def _why_given_up(message: str) -> Mapping[str, Any] | None:
    return next((error for words, error in _GIVEN_UP.items() if words in message), None)


def _problem_in(event: DagsterEvent) -> Mapping[str, Any]:
    told = event.step_failure_data.user_failure_data
    problem = told.metadata.get("problem") if told else None
    return problem.value if problem else UNEXPECTED  # pyright: ignore[reportReturnType]
