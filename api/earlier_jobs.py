"""Jobs that were made for an equal request: the result cache."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from api.job_archive import JobArchive
from api.job_order import JobOrder
from api.job_schedule import Schedule
from resources.artifact import ArtifactNotFound
from resources.artifacts import ArtifactStore
from resources.launcher import is_scheduled
from resources.run_tags import (
    BATCH_TAG,
    MAX_RUNTIME_TAG,
    NEXT_BATCH,
    PRIORITY_TAG,
    RECIPE_TAG,
    SCHEDULED_FOR_TAG,
)

# A run that is CANCELING makes nothing more.
_UNDER_WAY = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
)
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
            order: What is asked for; a job under way must be at least as urgent and as patient,
                and begin no later.
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
        and _begins_in_time(run, order.schedule)
    )


def _begins_in_time(run: DagsterRun, schedule: Schedule | None) -> bool:
    if run.status is not DagsterRunStatus.NOT_STARTED:
        return True
    # One that is not scheduled has perhaps lost its maker.
    if schedule is None or not is_scheduled(run):
        return False
    if run.tags.get(BATCH_TAG) == NEXT_BATCH:
        return schedule.in_batch
    return datetime.fromisoformat(run.tags[SCHEDULED_FOR_TAG]) <= schedule.at


def _asset_ids(data: Mapping[str, Any]) -> Iterator[str]:
    """Give the ids of all assets that a job's data names, its items' and its steps' too."""
    yield from (asset["id"] for asset in data.get("assets", {}).values())
    for part in (*data.get("items", ()), *data.get("steps", {}).values()):
        yield from _asset_ids(part)
