"""A checked request, as the run that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.job_schedule import Schedule
from resources.api_keys import Limits
from resources.run_tags import (
    LOCAL_OWNER,
    MAX_RUNTIME_TAG,
    OWNER_TAG,
    PLACES_TAG,
    PRIORITY_TAG,
)
from resources.webhook_log import Subscription
from studio_pipelines.chain import LinkedChain
from studio_pipelines.operation import Operation

AssetIds = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class OpOrder:
    """What one op is to do.

    Attributes:
        inputs: Asset ids by input; a list of them where the input is a list.
        parameters: What was set of its parameters.
    """

    inputs: AssetIds
    parameters: Mapping[str, Any]

    def config(self) -> dict[str, Any]:
        """Return the op's part of the run config."""
        inputs = {"inputs": dict(self.inputs)} if self.inputs else {}
        return {"config": dict(self.parameters), **inputs}


@dataclass(frozen=True)
class JobOrder:
    """A checked request: what is to be done, on what, how.

    Attributes:
        operation: The operation, or the chain.
        ops: What its op is to do, or each step of the chain, by name.
        priority: 0 (lowest) to 9.
        timeout_s: Deadline of the job.
        shared_inputs: Asset ids that several steps of the chain get, by input.
        owner: Whose job it is.
        limits: How much its owner may ask for.
        reuses: Whether an equal earlier job may answer.
        webhook: Who is to be told of the job, or None.
        schedule: When it is to be queued; None is at once.
    """

    operation: Operation | LinkedChain
    ops: Mapping[str, OpOrder]
    priority: int
    timeout_s: int
    shared_inputs: AssetIds = field(default_factory=dict)
    owner: str = LOCAL_OWNER
    limits: Limits = field(default_factory=Limits)
    reuses: bool = True
    webhook: Subscription | None = None
    schedule: Schedule | None = None

    def run_config(self) -> dict[str, Any]:
        """Return the Dagster run config."""
        shared = {"inputs": dict(self.shared_inputs)} if self.shared_inputs else {}
        return {"ops": {name: order.config() for name, order in self.ops.items()}, **shared}

    def tags(self) -> dict[str, str]:
        """Return the run's tags beyond those of its job."""
        tags = {
            OWNER_TAG: self.owner,
            PRIORITY_TAG: str(self.priority),
            MAX_RUNTIME_TAG: str(self.timeout_s),
        }
        if self.schedule is not None:
            tags |= self.schedule.tags()
            if self.limits.concurrent_jobs is not None:
                tags[PLACES_TAG] = str(self.limits.concurrent_jobs)
        return tags
