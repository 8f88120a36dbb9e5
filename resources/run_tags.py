"""The tags that a run carries, and the public job id that is its run id in other clothes."""

from collections.abc import Mapping

from dagster_celery.defaults import task_default_queue
from dagster_celery.tags import DAGSTER_CELERY_QUEUE_TAG, DAGSTER_CELERY_RUN_PRIORITY_TAG

QUEUE_TAG = DAGSTER_CELERY_QUEUE_TAG
PRIORITY_TAG = DAGSTER_CELERY_RUN_PRIORITY_TAG
# Where runs go that belong to no operation, such as an asset check run from the UI.
COMMON_QUEUE = task_default_queue
OPERATION_TAG = "studio/operation"
LANE_TAG = "studio/lane"
TAKEN_AT_TAG = "studio/taken_at"  # Unix time in seconds at which a worker took the run
RESUMED_TAG = "studio/resumed"  # how often the run has been sent again after its worker died
RETRIED_FROM_TAG = "studio/retried_from"  # the run that this one does once more
RECIPE_TAG = "studio/recipe"  # hash of all that decides what a run makes, and of whose it is
OWNER_TAG = "studio/owner"  # whose run it is; its results are theirs too
INPUT_SIZE_TAG = "studio/input_size"  # class of the size of all inputs
SCHEDULED_FOR_TAG = "studio/scheduled_for"  # ISO 8601 time, UTC, before which it is not queued
# The run of the batch job that a run is queued with, or NEXT_BATCH while it waits for one.
BATCH_TAG = "studio/batch"
NEXT_BATCH = "next"
QUEUED_AT_TAG = "studio/queued_at"  # Unix time in seconds at which a scheduled run was queued
PLACES_TAG = "studio/places"  # how many jobs of its owner may be under way at once
MAX_RUNTIME_TAG = "dagster/max_runtime"
# The W3C Trace Context of the request that submitted the run.
TRACEPARENT_TAG = "traceparent"

# Whose everything is that was made without a key.
LOCAL_OWNER = "local"

_JOB_PREFIX = "job_"


def job_id_of(run_id: str) -> str:
    """Return the public id of a run: ``job_`` and its 32 hex digits."""
    return _JOB_PREFIX + run_id.replace("-", "")


def run_id_of(job_id: str) -> str | None:
    """Return the Dagster run id behind a public id, or None if the text is no such id."""
    digits = job_id.removeprefix(_JOB_PREFIX)
    if not job_id.startswith(_JOB_PREFIX) or len(digits) != 32:
        return None
    if not set(digits) <= set("0123456789abcdef"):
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def waits_since_s(tags: Mapping[str, str], created_s: float) -> float:
    """Return since when a run waits for a worker, in Unix time; a scheduled one waits later on."""
    return float(tags.get(QUEUED_AT_TAG, created_s))


def owner_of(tags: Mapping[str, str]) -> str:
    """Return whose run it is by its tags."""
    return tags.get(OWNER_TAG, LOCAL_OWNER)
