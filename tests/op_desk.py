"""Jobs of one operation in the test's own process, on a store of their own."""

from pathlib import Path
from typing import Any

import dagster as dg
import pyvips

from resources.artifacts import ArtifactStore
from resources.gpu import Gpu
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.jobs import job_of
from studio_pipelines.media.sniff import HEAD_BYTES, sniff
from studio_pipelines.model_shelf import DECLARATIONS
from studio_pipelines.operation import Operation
from studio_pipelines.settings import load_settings


class OpDesk:
    """Runs an operation's jobs, with the pulled models or those of another folder."""

    def __init__(
        self,
        operation: Operation,
        store: ArtifactStore,
        folder: Path,
        models_dir: Path | None = None,
        usual: dict[str, Any] | None = None,
    ) -> None:
        """Take a store, a folder for inputs, and the parameters of jobs that name no others."""
        self.operation, self.store, self._folder = operation, store, folder
        self._usual, self._count = usual or {}, 0
        self._models = ModelStore(
            folder=str(models_dir or load_settings().models_dir), declared_in=[str(DECLARATIONS)]
        )

    def keep(self, data: bytes) -> str:
        """Store a file under the media type that it shows."""
        self._count += 1
        path = self._folder / f"input-{self._count}"
        path.write_bytes(data)
        kind = sniff(data[:HEAD_BYTES])
        return self.store.adopt(path, media_type=kind.mime if kind else "application/x-none").id

    def execute(self, config: dict[str, Any], files: dict[str, bytes]) -> Any:
        """Return Dagster's result of a job, of a failed one too."""
        inputs = {name: self.keep(data) for name, data in files.items()}
        return job_of(self.operation).execute_in_process(
            run_config={"ops": {self.operation.name: {"inputs": inputs, "config": config}}},
            resources={
                "artifacts": self.store,
                "gpu": Gpu(preference="cpu"),
                "models": self._models,
                "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
                "io_manager": dg.mem_io_manager,
            },
            raise_on_error=False,
        )

    def run(self, config: dict[str, Any] | None = None, **files: bytes) -> dict[str, Any]:
        """Return the record of a job that succeeds."""
        result = self.execute({**self._usual, **(config or {})}, files)
        assert result.success, [e for e in result.all_events if e.is_step_failure]
        (event,) = result.asset_materializations_for_node(self.operation.name)
        return event.metadata["result"].value

    def refused(self, config: dict[str, Any] | None = None, **files: bytes) -> dict[str, Any]:
        """Return the problem of a job that fails."""
        result = self.execute({**self._usual, **(config or {})}, files)
        assert not result.success
        failed = next(event for event in result.all_events if event.is_step_failure)
        return failed.step_failure_data.user_failure_data.metadata["problem"].value

    def asset(self, told: dict[str, Any], name: str) -> bytes:
        """Return a result's bytes."""
        with self.store.open(self.store.get(told["assets"][name]["id"])) as file:
            return file.read()

    def image(self, told: dict[str, Any], name: str) -> pyvips.Image:
        """Return a result that is a picture."""
        return pyvips.Image.new_from_buffer(self.asset(told, name), "")
