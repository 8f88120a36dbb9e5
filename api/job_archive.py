"""What storage knows of jobs: their records, one by one and in pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.dagster_run import RunRecord

from api.errors import InvalidRequest, JobGoesOn, JobNotFound, RecipeUnknown
from api.job_records import PUBLIC_STATUS, LiveState, job_record
from api.live_state import read_live_state
from api.recipes import RECIPE_METADATA, with_chance_resolved
from resources import signals
from resources.run_tags import OPERATION_TAG, OWNER_TAG, job_id_of, owner_of, run_id_of
from studio_pipelines.contract.jobs import JobStatus
from studio_pipelines.database_faults import DatabaseUnavailable
from studio_pipelines.outcome import OUTCOME_EVENT_TYPES, outcome_of

# Storage does not know what a run waits for, nor whether a worker has taken it.
_STORED_AS = {"scheduled": "queued", "starting": "queued"}


@dataclass(frozen=True)
class JobFilter:
    """Which jobs to list, newest first.

    Attributes:
        operations: Those of these operations.
        statuses: Those in one of these states; of all states where empty.
        limit: How many at most.
        cursor: The job after which to go on, or None for the newest.
        owner: Those of this owner; everybody's where None.
    """

    operations: tuple[str, ...]
    statuses: tuple[JobStatus, ...]
    limit: int
    cursor: str | None = None
    owner: str | None = None

    def admits(self, tags: Mapping[str, str]) -> bool:
        """Whether a run may be in the list, by its tags."""
        return OPERATION_TAG in tags and self.owner in (None, owner_of(tags))

    def tags(self) -> dict[str, str | list[str]]:
        """Return the tags of the runs to list."""
        of_owner = {} if self.owner is None else {OWNER_TAG: self.owner}
        return {OPERATION_TAG: list(self.operations), **of_owner}


class JobArchive:
    """Reads jobs from Dagster's storage, and forgets them."""

    def __init__(self, instance: DagsterInstance, redis_url: str, keep_days: int) -> None:
        self._instance = instance
        self._redis_url = redis_url
        self._keep_days = keep_days

    def stored(self, run_id: str) -> RunRecord:
        """Return a job's run.

        Raises:
            JobNotFound: There is none with this id.
        """
        found = self._instance.get_run_records(RunsFilter(run_ids=[run_id]), limit=1)
        # Dagster has runs that are no jobs of ours: of asset checks, of the retention.
        if not found or OPERATION_TAG not in found[0].dagster_run.tags:
            raise no_such_job(job_id_of(run_id))
        return found[0]

    def ended(self, run_id: str) -> RunRecord:
        """Return an ended job's run.

        Raises:
            JobNotFound: There is none with this id.
            JobGoesOn: It has not ended.
        """
        stored = self.stored(run_id)
        if not stored.dagster_run.is_finished:
            raise JobGoesOn(
                f"{job_id_of(run_id)} has not ended.", hint="Cancel it first, or wait for its end."
            )
        return stored

    def record(self, run_id: str) -> dict[str, Any]:
        """Return a job's public record, without asset URLs.

        Raises:
            JobNotFound: There is none with this id.
        """
        return self._record(self.stored(run_id))

    def outcome(self, run_id: str) -> dict[str, Any] | None:
        """Return how a run ended, or None: it goes on, or storage cannot tell now."""
        try:
            finished = self.stored(run_id).dagster_run.is_finished
            return self._events_outcome(run_id) if finished else None
        except DatabaseUnavailable:
            return None  # the job goes on; its end may still come over Redis

    def page(self, wanted: JobFilter) -> tuple[list[dict[str, Any]], str | None]:
        """Return the records of a page, and the cursor of the next one or None.

        Raises:
            InvalidRequest: The cursor names no job that there is.
        """
        records: list[dict[str, Any]] = []
        for record in self._listed(wanted):
            if len(records) == wanted.limit:
                return records, records[-1]["jobId"]
            records.append(record)
        return records, None

    def delete(self, run_id: str) -> None:
        """Forget an ended job: its run and all its events."""
        self.ended(run_id)
        self._instance.delete_run(run_id)

    def recipe(self, run_id: str) -> dict[str, Any]:
        """Return how a job's results are made, with the seeds that were drawn if it has ended.

        Raises:
            JobNotFound: There is none with this id.
            RecipeUnknown: It was not made by a request, but in the Dagster UI.
        """
        run = self.stored(run_id).dagster_run
        recipe = self.kept_recipe(run_id)
        if recipe is None:
            raise RecipeUnknown(
                f"No recipe was kept of {job_id_of(run_id)}.",
                hint="Only jobs that were submitted over this interface have one.",
            )
        outcome = self._events_outcome(run_id) if run.is_finished else None
        return with_chance_resolved(recipe, (outcome or {}).get("data"))

    def kept_recipe(self, run_id: str) -> Mapping[str, Any] | None:
        """Return a job's recipe as it was submitted, or None where none was kept."""
        logs = self._instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT)
        events = (entry.dagster_event for entry in logs if entry.dagster_event)
        told = (event.engine_event_data.metadata.get(RECIPE_METADATA) for event in events)
        return next((recipe.value for recipe in told if recipe is not None), None)  # pyright: ignore

    def _listed(self, wanted: JobFilter) -> Iterator[dict[str, Any]]:
        chosen = RunsFilter(tags=wanted.tags(), statuses=_stored_statuses(wanted))
        cursor = self._checked_cursor(wanted)
        # One look ahead is part of each page: it tells whether there is a next one.
        while found := self._instance.get_run_records(chosen, wanted.limit + 1, cursor=cursor):
            for stored in found:
                record = self._record(stored)
                if not wanted.statuses or record["status"] in wanted.statuses:
                    yield record
            cursor = found[-1].dagster_run.run_id

    def _checked_cursor(self, wanted: JobFilter) -> str | None:
        job_id = wanted.cursor
        if job_id is None:
            return None
        run_id = run_id_of(job_id)
        run = run_id and self._instance.get_run_by_id(run_id)
        if not run or not wanted.admits(run.tags):
            raise InvalidRequest(
                f"cursor: the list cannot go on after {job_id[:40]!r}, which is no job.",
                field="cursor",
                hint="Send nextCursor as it came, or begin anew without a cursor.",
            )
        return run_id

    def _record(self, stored: RunRecord) -> dict[str, Any]:
        run = stored.dagster_run
        outcome, live = None, LiveState()
        if run.is_finished:
            outcome = self._events_outcome(run.run_id)
        else:
            live = self._live_state(stored)
        return job_record(stored, outcome, live, keep_days=self._keep_days)

    def _live_state(self, stored: RunRecord) -> LiveState:
        try:
            return read_live_state(signals.connect(self._redis_url), stored.dagster_run)
        except redis.RedisError:
            return LiveState()  # a courtesy; the record itself is in the database

    def _events_outcome(self, run_id: str) -> dict[str, Any] | None:
        logs = self._instance.all_logs(run_id, of_type=OUTCOME_EVENT_TYPES)
        return outcome_of(entry.dagster_event for entry in logs if entry.dagster_event)


def _stored_statuses(wanted: JobFilter) -> Sequence[DagsterRunStatus]:
    public = {_STORED_AS.get(status, status) for status in wanted.statuses}
    return [stored for stored, status in PUBLIC_STATUS.items() if status in public]


def no_such_job(job_id: str) -> JobNotFound:
    """Return the fault of asking for a job that there is not."""
    return JobNotFound(f"There is no job {job_id[:60]!r}.")
