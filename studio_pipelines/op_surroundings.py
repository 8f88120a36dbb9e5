"""What goes on around every op: taking over what is done, tracing, faults, and what they leave."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.run_tags import RESUMED_TAG, job_id_of
from resources.tracing import start_span
from studio_pipelines.errors import StudioError, problem_of

RESULT_METADATA = "result"


def recorded_main_asset(context: dg.OpExecutionContext) -> str | None:
    """Return the id of the main asset that a step stored before its run was resumed, or None.

    Dagster's in-process executor begins a resumed run from its first step.
    """
    if RESUMED_TAG not in context.run.tags:
        return None
    step_key = context.get_step_execution_context().step.key
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    for entry in context.instance.all_logs(context.run_id, of_type=kind):
        event = entry.get_dagster_event()
        if event.step_key == step_key:
            result: Any = event.materialization.metadata[RESULT_METADATA].value
            return result["assets"][result["main"]]["id"]
    return None


def op_span(context: dg.OpExecutionContext) -> AbstractContextManager[None]:
    """Trace the op below its run."""
    return start_span(context.op.name, {"studio.job_id": job_id_of(context.run_id)})


@contextmanager
def faults_as_failures() -> Iterator[None]:
    """Turn a fault with a plain explanation into a Dagster failure that carries it whole."""
    try:
        yield
    except StudioError as error:
        raise dg.Failure(
            description=error.message,
            metadata={"problem": dg.MetadataValue.json(problem_of(error))},
            allow_retries=False,
        ) from error


@contextmanager
def nothing_left_of_failures(given: Mapping[str, Any]) -> Iterator[None]:
    """Delete what an op stored before it failed or was interrupted: nobody would know of it."""
    with ExitStack() as stack:
        for resource in given.values():
            if isinstance(resource, ArtifactStore):
                stack.enter_context(resource.all_or_nothing())
        yield
