"""Schedules: what Dagster starts by the clock. Batch trainings will have theirs here."""

import dagster as dg
from dagster import RunsFilter
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from studio_pipelines.retention import retention_job


@dg.schedule(
    name="retention",
    job=retention_job,
    # Four times a night, in UTC: a run gives way to jobs that wait, and the next one goes on.
    cron_schedule="0 2-5 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes old runs, observations and assets each night.",
)
def retention_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run unless the last one still waits or works."""
    unfinished = RunsFilter(job_name=retention_job.name, statuses=NOT_FINISHED_STATUSES)
    if context.instance.get_runs_count(unfinished):
        return dg.SkipReason("The last one has not ended yet.")
    return dg.RunRequest()
