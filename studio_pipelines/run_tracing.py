"""A run as a span below the request that submitted it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterInstance, DagsterRun

from resources import tracing
from resources.run_tags import OPERATION_TAG, job_id_of, waits_since_s


@contextmanager
def run_span(instance: DagsterInstance, run: DagsterRun) -> Iterator[None]:
    """Trace the execution of a run, and how long it waited for it.

    Where nobody collects traces this costs nothing; elsewhere one look into the storage.
    """
    if not tracing.enabled():
        yield
        return
    record = instance.get_run_record_by_id(run.run_id)
    if record is not None:
        since_s = waits_since_s(run.tags, record.create_timestamp.timestamp())
        tracing.record_span("queued", since_s, time.time(), run.tags)
    attributes = {
        "studio.job_id": job_id_of(run.run_id),
        "studio.operation": run.tags.get(OPERATION_TAG, ""),
    }
    with tracing.start_span("run", attributes, parent=run.tags):
        yield
