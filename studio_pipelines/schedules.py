"""Schedules: what Dagster starts by the clock."""

import dagster as dg
from dagster import RunsFilter
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from studio_pipelines.batch import WAITING_FOR_BATCH, batch_job
from studio_pipelines.batch_time import batch_cron
from studio_pipelines.retention import retention_job
from studio_pipelines.settings import Settings


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


def batch_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule of the nightly batch, at the time that the settings say."""

    @dg.schedule(
        name="batch",
        job=batch_job,
        cron_schedule=batch_cron(settings),
        execution_timezone=settings.batch_time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Calls the jobs that wait for the nightly batch.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Ask for a batch unless nothing waits for one."""
        if not context.instance.get_runs_count(WAITING_FOR_BATCH):
            return dg.SkipReason("No job waits for the batch.")
        return dg.RunRequest()

    return schedule
