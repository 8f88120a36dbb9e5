"""Everything Dagster is told: jobs, schedules, sensors, assets and their checks, resources."""

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.gpu import Gpu
from resources.progress import Progress
from studio_pipelines.asset_checks import asset_checks
from studio_pipelines.catalogue import operations, workers
from studio_pipelines.jobs import jobs
from studio_pipelines.retention import retention_job
from studio_pipelines.schedules import retention_schedule
from studio_pipelines.sensors import run_failure_sensor, stranded_runs_sensor, worker_memory_sensor

defs = dg.Definitions(
    jobs=[*jobs(), retention_job],
    schedules=[retention_schedule],
    sensors=[worker_memory_sensor, run_failure_sensor, stranded_runs_sensor],
    assets=[
        *(
            dg.AssetSpec(one.name, group_name="results", description=one.summary)
            for one in operations().values()
        ),
        *(
            dg.AssetSpec(["workers", worker.id], group_name="workers", description=worker.does)
            for worker in workers()
        ),
    ],
    asset_checks=asset_checks(),
    # A check that is run from the UI goes to a worker, whose process may not start others.
    executor=dg.in_process_executor,
    resources={
        "artifacts": ArtifactStore(
            url=dg.EnvVar("STUDIO_ASSET_URL"),
            quota_bytes=dg.EnvVar.int("STUDIO_ASSET_QUOTA_BYTES"),
        ),
        "gpu": Gpu(
            redis_url=dg.EnvVar("STUDIO_REDIS_URL"),
            ram_percent=dg.EnvVar.int("STUDIO_RAM_LEASE_PERCENT"),
            vram_reserve_mib=dg.EnvVar.int("STUDIO_VRAM_RESERVE_MIB"),
            model_idle_s=dg.EnvVar.int("STUDIO_MODEL_IDLE_S"),
        ),
        "progress": Progress(redis_url=dg.EnvVar("STUDIO_REDIS_URL")),
        "io_manager": dg.mem_io_manager,
    },
)
