"""What goes on around every op: tracing, faults, and what they leave."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.progress import Progress
from resources.run_tags import job_id_of
from resources.tracing import start_span
from studio_pipelines.errors import StudioError, problem_of
from studio_pipelines.op_place import place_of


def begin_progress(context: dg.OpExecutionContext, given: Mapping[str, Any]) -> None:
    """Have what the op reports count as its step of the job."""
    place = place_of(context)
    for resource in given.values():
        if isinstance(resource, Progress):
            resource.begin_op(place.step, place.number, place.of)


def op_span(context: dg.OpExecutionContext) -> AbstractContextManager[None]:
    """Trace the op below its run."""
    return start_span(context.op.name, {"studio.job_id": job_id_of(context.run_id)})


@contextmanager
def faults_as_failures(context: dg.OpExecutionContext, inputs: Collection[str]) -> Iterator[None]:
    """Turn a fault with a plain explanation into a Dagster failure that carries it whole."""
    try:
        yield
    except StudioError as error:
        raise failure(problem_here(context, inputs, error)) from error


def problem_here(
    context: dg.OpExecutionContext, inputs: Collection[str], error: StudioError
) -> dict[str, Any]:
    """Return a fault with its field as the request names it: in a chain, below the step's name.

    The first step's inputs are the request's own, and so is what concerns the whole job.
    """
    place, problem = place_of(context), problem_of(error)
    is_own = place.chain is None or (place.number == 0 and error.field in inputs)
    if error.field is None or is_own or not error.is_of_one_item:
        return problem
    return {**problem, "field": f"{place.step}.{error.field}"}


def failure(problem: Mapping[str, Any]) -> dg.Failure:
    """Return the Dagster failure that carries a fault whole."""
    return dg.Failure(
        description=problem["message"],
        metadata={"problem": dg.MetadataValue.json(problem)},
        allow_retries=False,
    )


@contextmanager
def nothing_left_of_failures(given: Mapping[str, Any]) -> Iterator[None]:
    """Delete what an op stored before it failed or was interrupted: nobody would know of it."""
    with ExitStack() as stack:
        for resource in given.values():
            if isinstance(resource, ArtifactStore):
                stack.enter_context(resource.all_or_nothing())
        yield
