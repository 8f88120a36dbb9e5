"""Kill the process that runs it: the worst that an operation can do to its worker."""

import os
import signal

import dagster as dg
from pydantic import Field

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from studio_pipelines.media.sniff import Media
from studio_pipelines.operation import (
    ModelIdentity,
    Operation,
    OperationResult,
    Parameters,
    studio_op,
)


class ProcessKill(Parameters):
    """Whether to kill."""

    kill: bool = Field(True, description="Whether to kill the process.")


@studio_op(ProcessKill)
def process_kill(
    context: dg.OpExecutionContext, params: ProcessKill, image: Artifact, artifacts: ArtifactStore
) -> OperationResult:
    """Kill the worker's process."""
    if params.kill:
        os.kill(os.getpid(), signal.SIGKILL)
    return OperationResult(
        assets={"same": image},
        metrics={},
        verification={"passed": True},
        model=ModelIdentity("kill", "1", "Apache-2.0", "builtin"),
    )


OPERATION = Operation(
    op=process_kill,
    parameters=ProcessKill,
    route="/test/kill",
    worker="process-killer",
    lane="test",
    accepts={"image": (Media.IMAGE,)},
    returns=Media.IMAGE,
)
