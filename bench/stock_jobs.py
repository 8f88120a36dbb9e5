"""The jobs of the peers in ``bench.latency``: one trivial op as dagster-celery runs it."""

import dagster as dg
from dagster_celery import celery_executor


@dg.op
def trivial() -> int:
    """Return one."""
    return 1


@dg.job(executor_def=celery_executor)
def steps_in_celery() -> None:
    """Run each step as a Celery task."""
    trivial()


@dg.job(executor_def=dg.in_process_executor)
def run_in_celery() -> None:
    """Run the whole run within one Celery task."""
    trivial()


defs = dg.Definitions(jobs=[steps_in_celery, run_in_celery])
