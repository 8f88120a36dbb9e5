"""A Dagster run as the public job record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dagster import DagsterRun, DagsterRunStatus
from dagster._core.storage.dagster_run import RunRecord

from resources.launcher import is_scheduled
from resources.run_tags import (
    OPERATION_TAG,
    RETRIED_FROM_TAG,
    SCHEDULED_FOR_TAG,
    TAKEN_AT_TAG,
    job_id_of,
    waits_since_s,
)
from resources.waiting_line import Place

PUBLIC_STATUS = {
    # Within the moment in which it is made; or it is scheduled.
    DagsterRunStatus.NOT_STARTED: "queued",
    DagsterRunStatus.QUEUED: "queued",
    # A run that waits in the broker is STARTING for Dagster.
    DagsterRunStatus.STARTING: "queued",
    DagsterRunStatus.STARTED: "processing",
    DagsterRunStatus.CANCELING: "processing",
    DagsterRunStatus.SUCCESS: "completed",
    DagsterRunStatus.FAILURE: "failed",
    DagsterRunStatus.CANCELED: "canceled",
}


@dataclass(frozen=True)
class LiveState:
    """What Redis knows of a run that has not ended.

    Attributes:
        progress: ``{fraction, stage}`` as the op last told it, or None.
        taken: Whether a worker has taken it.
        place: Where it stands in line, or None.
    """

    progress: Mapping[str, Any] | None = None
    taken: bool = False
    place: Place | None = None


def job_record(
    stored: RunRecord,
    outcome: Mapping[str, Any] | None,
    live: LiveState,
    *,
    keep_days: int = 0,
) -> dict[str, Any]:
    """Return the record that ``GET /api/jobs/{id}`` answers, without asset URLs.

    Args:
        stored: The run as storage has it.
        outcome: How it ended, or None while it goes on.
        live: What is known of it besides, while it goes on.
        keep_days: After how many days an ended job is forgotten; 0 is never.
    """
    run = stored.dagster_run
    origin = run.tags.get(RETRIED_FROM_TAG)
    status = public_status(run, taken=live.taken)
    record: dict[str, Any] = {
        "jobId": job_id_of(run.run_id),
        "operation": run.tags.get(OPERATION_TAG),
        "status": status,
        "progress": _progress(status, live.progress),
        **_waiting(live.place if status == "queued" else None),
        "scheduledFor": run.tags.get(SCHEDULED_FOR_TAG),
        "createdAt": stored.create_timestamp.astimezone(UTC).isoformat(timespec="milliseconds"),
        "startedAt": iso(stored.start_time),
        "finishedAt": iso(stored.end_time),
        "expiresAt": iso(_expiry_s(stored.end_time, keep_days)),
        "retriedFrom": job_id_of(origin) if origin else None,
    }
    if outcome and outcome["status"] == "completed":
        record["data"] = with_timings(outcome["data"], stored)
    elif outcome and outcome["status"] == "failed":
        record["error"] = outcome["error"]
    return record


def public_status(run: DagsterRun, *, taken: bool) -> str:
    """Return a run's state as clients know it.

    Args:
        run: The run as storage has it.
        taken: Whether a worker has taken it.
    """
    if is_scheduled(run):
        return "scheduled"
    status = PUBLIC_STATUS[run.status]
    return "starting" if status == "queued" and taken else status


def _expiry_s(ended_s: float | None, keep_days: int) -> float | None:
    return ended_s + keep_days * 24 * 3600 if ended_s and keep_days else None


def _waiting(place: Place | None) -> dict[str, Any]:
    """Return where a job stands, and about when it starts."""
    if place is None:
        return {"queuePosition": None, "estimatedStartAt": None}
    at = None if place.starts_in_s is None else datetime.now(UTC).timestamp() + place.starts_in_s
    return {"queuePosition": place.position, "estimatedStartAt": iso(at)}


def with_timings(data: Mapping[str, Any], stored: RunRecord) -> dict[str, Any]:
    """Add how long the job waited, started and ran, in milliseconds, from the run's own times.

    What a scheduled job waited for its time is not among them.
    """
    tags = stored.dagster_run.tags
    created_s = waits_since_s(tags, stored.create_timestamp.timestamp())
    started_s = stored.start_time or created_s
    taken_s = float(tags.get(TAKEN_AT_TAG, started_s))
    ended_s = stored.end_time or datetime.now(UTC).timestamp()
    timings = {
        "queuedMs": round((taken_s - created_s) * 1000, 1),
        "startMs": round((started_s - taken_s) * 1000, 1),
        "runMs": round((ended_s - started_s) * 1000, 1),
        "totalMs": round((ended_s - created_s) * 1000, 1),
    }
    return {**data, "timings": timings}


def _progress(status: str, progress: Mapping[str, Any] | None) -> dict[str, Any]:
    if status == "completed":
        return {"percent": 100.0, "stage": "done"}
    if status in ("scheduled", "queued", "starting") or progress is None:
        return {"percent": 0.0, "stage": status}
    return {"percent": round(100 * progress["fraction"], 1), "stage": progress["stage"]}


def iso(time_s: float | None) -> str | None:
    """Return a Unix time as records tell it: ISO 8601 in UTC, with milliseconds."""
    if time_s is None:
        return None
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
