"""A checked request, as the run that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resources.run_tags import MAX_RUNTIME_TAG, PRIORITY_TAG
from studio_pipelines.operation import Operation


@dataclass(frozen=True)
class JobOrder:
    """A checked request: which operation, on what, how."""

    operation: Operation
    inputs: Mapping[str, str | list[str]]
    parameters: Mapping[str, Any]
    priority: int
    timeout_s: int

    def run_config(self) -> dict[str, Any]:
        """Return the Dagster run config: parameters as op config, inputs as asset ids."""
        op: dict[str, Any] = {"config": dict(self.parameters)}
        if self.inputs:
            op["inputs"] = dict(self.inputs)
        return {"ops": {self.operation.name: op}}

    def tags(self) -> dict[str, str]:
        """Return the run's tags beyond those of its job."""
        return {PRIORITY_TAG: str(self.priority), MAX_RUNTIME_TAG: str(self.timeout_s)}
