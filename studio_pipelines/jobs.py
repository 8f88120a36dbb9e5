"""One Dagster job an operation or chain, derived from its declaration."""

import dagster as dg

from resources.run_tags import LANE_TAG, OPERATION_TAG, QUEUE_TAG
from studio_pipelines.catalogue import chains, operations
from studio_pipelines.chain import LinkedChain
from studio_pipelines.operation import Operation


def job_name(name: str) -> str:
    """Return the name of the job of an operation or chain; an op and a job can't share theirs."""
    return f"{name.replace('-', '_')}_job"


def job_of(operation: Operation) -> dg.JobDefinition:
    """Return the job that runs one operation on the queue of its name."""

    @dg.graph(name=job_name(operation.name), description=operation.summary)
    def one_op() -> None:
        operation.op()

    return _job(one_op, operation.name, operation.name, operation.lane)


def job_of_chain(chain: LinkedChain) -> dg.JobDefinition:
    """Return the job that runs a chain on a queue of its own."""
    return _job(chain.graph, chain.name, chain.queue, chain.lane)


def _job(graph: dg.GraphDefinition, name: str, queue: str, lane: str) -> dg.JobDefinition:
    return graph.to_job(
        executor_def=dg.in_process_executor,
        tags={OPERATION_TAG: name, QUEUE_TAG: queue, LANE_TAG: lane},
    )


def jobs() -> list[dg.JobDefinition]:
    """Return the job of every built operation and chain."""
    return [
        *(job_of(operation) for operation in operations().values()),
        *(job_of_chain(chain) for chain in chains().values()),
    ]
