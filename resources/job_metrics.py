"""How long jobs took, stage by stage, and how they ended: told when a run ends."""

from collections.abc import Mapping
from dataclasses import dataclass

import redis

from resources.telemetry import Additions, add, field_of, observation


@dataclass(frozen=True)
class JobTimes:
    """When things happened to one job, in seconds since the epoch.

    Attributes:
        created_s: Its run was made.
        ended_s: Its run ended.
        taken_s: A worker took its task off the queue, or None if none did.
        started_s: Its first op could begin, Dagster's own start of the run, or None.
    """

    created_s: float
    ended_s: float
    taken_s: float | None = None
    started_s: float | None = None


def stage_durations_s(times: JobTimes) -> Mapping[str, float]:
    """Return the length of each stage that a job went through, in seconds.

    ``queued`` lasts until a worker takes the task, ``start`` until Dagster has set the run up,
    ``run`` until its end; ``total`` is all of it. A job that no worker took was queued until it
    ended. The times come from several clocks, so that none is let below zero.
    """
    taken_s, started_s = times.taken_s, times.started_s
    stages = {"queued": (times.created_s, times.ended_s if taken_s is None else taken_s)}
    if taken_s is not None and started_s is not None:
        stages["start"] = (taken_s, started_s)
        stages["run"] = (started_s, times.ended_s)
    stages["total"] = (times.created_s, times.ended_s)
    return {stage: max(0.0, until_s - since_s) for stage, (since_s, until_s) in stages.items()}


def record_job(client: redis.Redis, operation: str, status: str, times: JobTimes) -> None:
    """Count an ended job and add its stages to the histograms, in one round trip.

    Args:
        client: A broker that is away loses the figures, never the job.
        operation: Name of the operation.
        status: ``completed``, ``failed`` or ``canceled``.
        times: When things happened to it.
    """
    add(client, additions_of(operation, status, times))


def additions_of(operation: str, status: str, times: JobTimes) -> Additions:
    """Return what one ended job adds to the metrics."""
    additions: dict[str, int | float] = {
        field_of("studio_jobs_total", {"operation": operation, "status": status}): 1
    }
    for stage, duration_s in stage_durations_s(times).items():
        labels = {"operation": operation, "stage": stage}
        additions |= observation("studio_job_seconds", duration_s, labels)
    return additions
