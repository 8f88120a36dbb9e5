"""Everything Dagster is told: jobs, schedules, sensors, assets and their checks, resources."""

import dagster as dg

from studio_pipelines.asset_checks import asset_checks
from studio_pipelines.catalogue import operations, workers
from studio_pipelines.jobs import jobs
from studio_pipelines.retention import retention_job
from studio_pipelines.run_resources import run_resources
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
    resources=run_resources(),
)
