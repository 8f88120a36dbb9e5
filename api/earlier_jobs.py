"""Jobs that were made for an equal request: the result cache."""

from collections.abc import Iterator, Mapping
from typing import Any

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from api.job_archive import JobArchive
from api.job_order import JobOrder
from resources.artifact import ArtifactNotFound
from resources.artifacts import ArtifactStore
from resources.run_tags import MAX_RUNTIME_TAG, PRIORITY_TAG, RECIPE_TAG

# A run that is NOT_STARTED has perhaps lost its maker; one that is CANCELING makes nothing more.
_UNDER_WAY = (DagsterRunStatus.QUEUED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED)
LOOKED_AT = 20


class EarlierJobs:
    """Finds, of the jobs that storage has, one that makes or has made what an order asks for."""

    def __init__(
        self, instance: DagsterInstance, archive: JobArchive, artifacts: ArtifactStore
    ) -> None:
        self._instance = instance
        self._archive = archive
        self._artifacts = artifacts

    def find(self, recipe: str, order: JobOrder) -> str | None:
        """Return the run of the newest whole result, else of a job under way, else None.

        Args:
            recipe: The recipe's hash.
            order: What is asked for; a job under way must be at least as urgent and as patient.
        """
        chosen = RunsFilter(
            tags={RECIPE_TAG: recipe}, statuses=[DagsterRunStatus.SUCCESS, *_UNDER_WAY]
        )
        runs = self._instance.get_runs(chosen, limit=LOOKED_AT)
        done = (run.run_id for run in runs if run.is_success and self._is_whole(run.run_id))
        waited_for = (
            run.run_id for run in runs if run.status in _UNDER_WAY and _serves(run, order)
        )
        return next(done, None) or next(waited_for, None)

    def _is_whole(self, run_id: str) -> bool:
        outcome = self._archive.outcome(run_id)
        if outcome is None or outcome["status"] != "completed":
            return False
        data = outcome["data"]
        # What one item of a list failed for may have been of its hour.
        if any("error" in item for item in data.get("items", ())):
            return False
        return all(map(self._is_there, set(_asset_ids(data))))

    def _is_there(self, asset_id: str) -> bool:
        try:
            self._artifacts.stored_path(self._artifacts.get(asset_id))
        except ArtifactNotFound:
            return False
        return True


def _serves(run: DagsterRun, order: JobOrder) -> bool:
    return (
        int(run.tags.get(PRIORITY_TAG, 0)) >= order.priority
        and int(run.tags.get(MAX_RUNTIME_TAG, 0)) >= order.timeout_s
    )


def _asset_ids(data: Mapping[str, Any]) -> Iterator[str]:
    """Give the ids of all assets that a job's data names, its items' and its steps' too."""
    yield from (asset["id"] for asset in data.get("assets", {}).values())
    for part in (*data.get("items", ()), *data.get("steps", {}).values()):
        yield from _asset_ids(part)
