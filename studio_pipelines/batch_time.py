"""When the nightly batch is, for Dagster's schedule and for whoever asks when a job comes."""

from datetime import UTC, datetime

from dagster._utils.schedules import schedule_execution_time_iterator

from studio_pipelines.settings import Settings


def batch_cron(settings: Settings) -> str:
    """Return the time of the batch as a cron expression, in the settings' time zone."""
    return f"{settings.batch_at.minute} {settings.batch_at.hour} * * *"


def next_batch(settings: Settings, now: datetime) -> datetime:
    """Return when the next batch begins after a time, in UTC, as Dagster's scheduler has it."""
    ticks = schedule_execution_time_iterator(
        now.timestamp(), batch_cron(settings), settings.batch_time_zone
    )
    return next(tick for tick in ticks if tick > now).astimezone(UTC)
