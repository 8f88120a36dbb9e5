"""The job of the nightly batch: what was submitted for it is queued, a run a job.

It is a job of Dagster's so that the UI shows each batch with what came into it, and that one can be
started by hand there. Its op only says that the jobs' time has come: they are queued by the sensor
of scheduled jobs, which tries again where the broker is away or an owner has no place left.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from resources.run_tags import (
    BATCH_TAG,
    COMMON_QUEUE,
    NEXT_BATCH,
    OPERATION_TAG,
    PRIORITY_TAG,
    QUEUE_TAG,
    SCHEDULED_FOR_TAG,
    job_id_of,
)

_COLUMNS = ("job", "operation", "submitted")
WAITING_FOR_BATCH = RunsFilter(
    tags={BATCH_TAG: NEXT_BATCH}, statuses=[DagsterRunStatus.NOT_STARTED]
)


@dg.op
def call_batch(context: dg.OpExecutionContext) -> None:
    """Say of each job that waits for the batch that its time has come."""
    records = context.instance.get_run_records(WAITING_FOR_BATCH, ascending=True)
    come = {
        BATCH_TAG: context.run_id,
        SCHEDULED_FOR_TAG: datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    for record in records:
        context.instance.add_run_tags(record.dagster_run.run_id, come)
    context.add_output_metadata({"jobs": len(records), "batch": _table(records)})
    context.log.info(f"{len(records)} jobs in this batch")


def _table(records: Sequence[dg.RunRecord]) -> dg.TableMetadataValue:
    """Tabulate a batch's jobs."""
    rows = [
        dg.TableRecord(
            {
                "job": job_id_of(record.dagster_run.run_id),
                "operation": record.dagster_run.tags.get(OPERATION_TAG, ""),
                "submitted": record.create_timestamp.astimezone(UTC).isoformat(timespec="seconds"),
            }
        )
        for record in records
    ]
    columns = [dg.TableColumn(name) for name in _COLUMNS]
    return dg.MetadataValue.table(rows, dg.TableSchema(columns))


@dg.graph(
    name="batch_job",
    description="Queues the jobs that wait for the nightly batch; started by hand, at once.",
)
def _batch() -> None:
    call_batch()


batch_job = _batch.to_job(
    executor_def=dg.in_process_executor, tags={QUEUE_TAG: COMMON_QUEUE, PRIORITY_TAG: "9"}
)
