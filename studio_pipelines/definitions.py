"""Everything Dagster is told: jobs, schedules, sensors, assets and their checks, resources."""

import dagster as dg

from studio_pipelines.asset_checks import asset_checks
from studio_pipelines.asset_specs import chain_assets, result_assets, worker_assets
from studio_pipelines.batch import batch_job
from studio_pipelines.jobs import jobs
from studio_pipelines.retention import retention_job
from studio_pipelines.run_resources import run_resources
from studio_pipelines.schedules import batch_schedule, retention_schedule
from studio_pipelines.sensors import (
    run_failure_sensor,
    scheduled_jobs_sensor,
    stranded_runs_sensor,
    worker_memory_sensor,
)
from studio_pipelines.settings import load_settings

defs = dg.Definitions(
    jobs=[*jobs(), retention_job, batch_job],
    schedules=[retention_schedule, batch_schedule(load_settings())],
    sensors=[
        worker_memory_sensor,
        run_failure_sensor,
        stranded_runs_sensor,
        scheduled_jobs_sensor,
    ],
    assets=[*result_assets(), *chain_assets(), *worker_assets()],
    asset_checks=asset_checks(),
    # A check that is run from the UI goes to a worker, whose process may not start others.
    executor=dg.in_process_executor,
    resources=run_resources(),
)
