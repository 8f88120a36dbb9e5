"""One Dagster job an operation, derived from its declaration."""

import dagster as dg

from resources.run_tags import LANE_TAG, OPERATION_TAG, QUEUE_TAG
from studio_pipelines.catalogue import operations
from studio_pipelines.operation import Operation


def job_name(operation_name: str) -> str:
    """Return the job's name; an op and a job in one repository can't share theirs."""
    return f"{operation_name}_job"


def job_of(operation: Operation) -> dg.JobDefinition:
    """Return the job that runs one operation on the queue of its name."""

    @dg.graph(name=job_name(operation.name), description=operation.summary)
    def one_op() -> None:
        operation.op()

    return one_op.to_job(
        executor_def=dg.in_process_executor,
        tags={
            OPERATION_TAG: operation.name,
            QUEUE_TAG: operation.name,
            LANE_TAG: operation.lane,
        },
    )


def jobs() -> list[dg.JobDefinition]:
    """Return the job of every built operation."""
    return [job_of(operation) for operation in operations().values()]
