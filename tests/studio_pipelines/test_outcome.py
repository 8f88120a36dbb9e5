"""How a run ended, read off the events of real runs."""

from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from dagster import DagsterEvent, DagsterEventType

from resources.launcher import WORKER_LOST
from studio_pipelines.outcome import OUTCOME_EVENT_TYPES, UNEXPECTED, outcome_of

RESULT = {"assets": {}, "metrics": {"bytes": 3}}
PROBLEM = {"status": 422, "code": "unusable_media", "message": "m", "field": None, "hint": None}


def events_of(compute: Callable[[], Iterator[object]]) -> list[DagsterEvent]:
    """Run a job of one op and return its events, those of the outcome alone."""

    @dg.op(name="only", out=dg.Out(dg.Nothing, is_required=False))
    def only() -> Iterator[object]:
        yield from compute()

    @dg.job
    def only_job() -> None:
        only()

    events = only_job.execute_in_process(raise_on_error=False).all_events
    return [event for event in events if event.event_type in OUTCOME_EVENT_TYPES]


def result() -> Iterator[object]:
    yield dg.AssetMaterialization("only", metadata={"result": dg.MetadataValue.json(RESULT)})


def problem() -> Iterator[object]:
    yield from result()
    raise dg.Failure("m", metadata={"problem": dg.MetadataValue.json(PROBLEM)})


def crash() -> Iterator[object]:
    yield from result()
    raise ZeroDivisionError("a secret path")


@pytest.mark.parametrize(
    ("compute", "outcome"),
    [
        (result, {"status": "completed", "data": RESULT}),
        (problem, {"status": "failed", "error": PROBLEM}),
        (crash, {"status": "failed", "error": UNEXPECTED}),
    ],
)
def test_the_end_of_a_run(
    compute: Callable[[], Iterator[object]], outcome: dict[str, object]
) -> None:
    assert outcome_of(events_of(compute)) == outcome


def test_a_run_that_goes_on_has_none() -> None:
    assert outcome_of([]) is None
    assert outcome_of(events_of(result)[:-1]) is None


def test_a_canceled_run() -> None:
    canceled = DagsterEvent(DagsterEventType.RUN_CANCELED.value, "only_job")
    assert outcome_of([*events_of(result)[:-1], canceled]) == {"status": "canceled"}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (
            f"Detected run worker status FAILED. Marking run as failed.\n{WORKER_LOST}",
            "worker_lost",
        ),
        ("Exceeded maximum runtime of 60 seconds.", "deadline_exceeded"),
        ("Something else.", "operation_failed"),
    ],
)
def test_why_monitoring_gave_a_run_up(message: str, code: str) -> None:
    with dg.instance_for_test() as instance:
        run = instance.create_run_for_job(dg.JobDefinition(graph_def=dg.GraphDefinition(name="g")))
        instance.report_run_failed(run, message)
        logs = instance.all_logs(run.run_id, of_type=OUTCOME_EVENT_TYPES)
        outcome = outcome_of(entry.get_dagster_event() for entry in logs)
    assert outcome is not None
    assert outcome["status"] == "failed"
    assert outcome["error"]["code"] == code
