"""What a request for an operation or a chain may be answered with."""

from api import errors, example_answers, fetch_policy
from api.documented_answers import Answers, answer, problems
from resources.artifact import ArtifactNotFound
from resources.memory_ladder import OutOfMemory
from resources.model_shelf import LicenceRefused, ModelNotInstalled, UnknownModel
from resources.quota import DiskQuotaExceeded
from resources.signals import BrokerUnavailable
from resources.storage_faults import AssetStoreUnavailable
from studio_pipelines import errors as faults
from studio_pipelines.contract.jobs import JobAccepted, JobCompleted
from studio_pipelines.contract.quotes import QuoteAnswer
from studio_pipelines.database_faults import DatabaseUnavailable

SUBMISSION_ANSWERS: Answers = {
    **answer(
        200,
        "The results of the job, or, with `dryRun`, a quote.",
        JobCompleted,
        QuoteAnswer,
        examples={
            "completed": example_answers.COMPLETED,
            "answered by an identical earlier job": {**example_answers.COMPLETED, "cached": True},
            "quote": example_answers.QUOTE,
        },
    ),
    **answer(
        202,
        "The job is taken, waits for its time, or was still under way after the longest wait.",
        JobAccepted,
        examples={"queued": example_answers.ACCEPTED, "scheduled": example_answers.SCHEDULED},
        headers={"Location": "Path of the job's record."},
    ),
    **problems(
        errors.BadJson,
        ArtifactNotFound,
        errors.IdempotencyConflict,
        errors.JobCanceled,
        errors.UploadTooLarge,
        fetch_policy.FileTooLarge,
        faults.UnsupportedMedia,
        errors.InvalidRequest,
        faults.InvalidParameter,
        faults.UnusableMedia,
        faults.MediaTooLarge,
        fetch_policy.UrlRefused,
        fetch_policy.UrlUnavailable,
        UnknownModel,
        ModelNotInstalled,
        LicenceRefused,
        faults.OperationFailed,
        faults.DeadlineExceeded,
        faults.WorkerLost,
        faults.UnusableModel,
        errors.WorkersAway,
        BrokerUnavailable,
        DatabaseUnavailable,
        AssetStoreUnavailable,
        OutOfMemory,
        DiskQuotaExceeded,
    ),
}
