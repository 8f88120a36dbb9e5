"""Sensors: what the Dagster daemon looks at now and then."""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import dagster as dg
import redis
import structlog

from resources import signals, telemetry
from resources.run_tags import OPERATION_TAG, job_id_of
from resources.signals import WorkerBeat
from studio_pipelines.catalogue import operation_of, operations, workers, working_on
from studio_pipelines.outcome import UNEXPECTED, outcome_of
from studio_pipelines.scheduled_runs import queue_due
from studio_pipelines.stranded_runs import rescue_stranded

log = structlog.get_logger(__name__)


@dg.sensor(
    name="worker_memory",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Records the memory and the queue of each worker, for the UI to plot.",
)
def worker_memory_sensor(_context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Turn the workers' last heartbeats into observations of their asset keys."""
    client = signals.connect(os.environ["STUDIO_REDIS_URL"])
    try:
        beats = signals.worker_beats(client)
        depths = {name: signals.queue_depth(client, name) for name in operations()}
    except redis.RedisError:
        return dg.SensorResult(skip_reason="The broker does not answer.")
    observations: list[dg.AssetObservation] = []
    for worker in workers():
        operation = operation_of(worker)
        if operation is None:
            continue
        figures = worker_figures([beat for beat in beats if beat.lane == operation.lane])
        # What waits counts most where no worker lives.
        figures["queue_depth"] = depths[operation.name]
        observations.append(dg.AssetObservation(asset_key=["workers", worker.id], metadata=figures))
    return dg.SensorResult(asset_events=observations)


@dg.sensor(
    name="stranded_runs",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Queues runs again whose worker died between taking and starting them.",
)
def stranded_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Compare the runs that wait with what the broker holds."""
    client = signals.connect(os.environ["STUDIO_REDIS_URL"])
    found = rescue_stranded(context.instance, client, datetime.now(UTC))
    if any(found.values()):
        context.log.warning(f"stranded runs: {found}")
    return dg.SkipReason(f"{len(found['requeued'])} requeued, {len(found['canceled'])} canceled")


@dg.sensor(
    name="scheduled_jobs",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Queues the jobs whose time has come.",
)
def scheduled_jobs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Queue what is due; where the broker is away, the next look does."""
    client = signals.connect(os.environ["STUDIO_REDIS_URL"])
    queued = queue_due(context.instance, client, datetime.now(UTC))
    return dg.SkipReason(f"{len(queued)} queued")


def worker_figures(beats: Sequence[WorkerBeat]) -> dict[str, float | str]:
    """Return what the processes of one lane measured.

    Used memory is the sum over the processes, peak and total the highest of them: processes may
    share a device. Where there are several, each one's own figures are there too. VRAM is left
    out where there is no GPU.
    """
    figures: dict[str, float | str] = {"processes": len(beats)}
    if beats:
        figures["device"] = ", ".join(sorted({beat.device for beat in beats}))
    for name, combine in (
        ("rss_mib", sum),
        ("vram_used_mib", sum),
        ("vram_peak_mib", max),
        ("vram_total_mib", max),
    ):
        if values := _values(beats, name):
            figures[name] = combine(values)
    if len(beats) > 1:
        for beat in beats:
            for name in ("rss_mib", "vram_used_mib"):
                if values := _values([beat], name):
                    figures[f"{name} {beat.name}"] = values[0]
    return figures


def _values(beats: Iterable[WorkerBeat], name: str) -> list[float]:
    return [value for beat in beats if (value := getattr(beat, name)) is not None]


@dg.run_failure_sensor(
    name="run_failures",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Counts the runs that fail, and records them on their worker, for the UI to show.",
)
def run_failure_sensor(context: dg.RunFailureSensorContext) -> None:
    """Tell of a failed run: in the log, in the metrics, and as an observation of its worker."""
    run = context.dagster_run
    failed_steps = context.get_step_failure_events()
    events = [*failed_steps, context.failure_event]
    problem = (outcome_of(events) or {}).get("error", UNEXPECTED)
    operation = run.tags.get(OPERATION_TAG, run.job_name)
    job_id, code = job_id_of(run.run_id), str(problem["code"])
    log.warning(
        "run failed", job_id=job_id, operation=operation, code=code, message=problem["message"]
    )
    client = signals.connect(os.environ["STUDIO_REDIS_URL"])
    labels = {"operation": operation, "code": code}
    telemetry.count(client, "studio_run_failures_total", labels)
    if found := working_on(operation, failed_steps[0].step_key if failed_steps else None):
        # A figure, so that the UI has something to plot.
        metadata = {"failure": 1, "job": job_id, "code": code, "message": str(problem["message"])}
        observation = dg.AssetObservation(asset_key=["workers", found.worker], metadata=metadata)
        context.instance.report_runless_asset_event(observation)
