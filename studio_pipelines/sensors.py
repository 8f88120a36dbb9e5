"""Sensors: what the Dagster daemon looks at now and then."""

import os
from datetime import UTC, datetime

import dagster as dg

from resources import signals
from studio_pipelines.catalogue import operation_of, workers
from studio_pipelines.stranded_runs import rescue_stranded


@dg.sensor(
    name="worker_memory",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Records the memory and the queue of each live worker, for the UI to plot.",
)
def worker_memory_sensor(_context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Turn the workers' last heartbeats into observations of their asset keys."""
    client = signals.connect(os.environ["STUDIO_REDIS_URL"])
    by_lane = {beat.lane: beat for beat in signals.worker_beats(client)}
    observations: list[dg.AssetObservation] = []
    for worker in workers():
        operation = operation_of(worker)
        if operation is None or operation.lane not in by_lane:
            continue
        figures = _figures(by_lane[operation.lane])
        figures["queue_depth"] = signals.queue_depth(client, operation.name)
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


def _figures(beat: signals.WorkerBeat) -> dict[str, float | str]:
    """Return what one beat measured; VRAM is left out where there is no GPU."""
    figures: dict[str, float | str] = {"rss_mib": beat.rss_mib, "device": beat.device}
    for name in ("vram_used_mib", "vram_peak_mib", "vram_total_mib"):
        if getattr(beat, name) is not None:
            figures[name] = getattr(beat, name)
    return figures
