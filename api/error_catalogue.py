"""Every fault that a client can meet, in the order in which the documentation tells of them.

``python -m api.error_catalogue`` prints ``docs/errors.md``; the service shows the same at
``/docs/errors``, where the ``type`` of each problem document points.
"""

from collections.abc import Mapping

from api import errors, fetch_policy, refusals
from resources.api_keys import KeyNameTaken, KeyNotFound
from resources.artifact import ArtifactNotFound
from resources.memory_ladder import OutOfMemory
from resources.model_shelf import LicenceRefused, ModelNotInstalled, UnknownModel
from resources.quota import DiskQuotaExceeded
from resources.signals import BrokerUnavailable
from resources.storage_faults import AssetStoreUnavailable
from studio_pipelines import errors as faults
from studio_pipelines.database_faults import DatabaseUnavailable
from studio_pipelines.errors import StudioError

RETRYABLE = (429, 503)
# What no route answers.
COMMANDS = "On the command line"
GROUPS: Mapping[str, tuple[type[StudioError], ...]] = {
    "The request": (
        errors.BadJson,
        errors.InvalidRequest,
        faults.InvalidParameter,
        errors.UploadTooLarge,
        fetch_policy.UrlRefused,
        fetch_policy.UrlUnavailable,
        fetch_policy.FileTooLarge,
    ),
    "Who asks": (
        refusals.KeyMissing,
        refusals.KeyInvalid,
        refusals.NotInScope,
        refusals.LinkInvalid,
        refusals.NotLocal,
        refusals.RateLimited,
        refusals.TooManyJobs,
        refusals.QuotaUsedUp,
    ),
    "The media": (faults.UnsupportedMedia, faults.UnusableMedia, faults.MediaTooLarge),
    "The models": (UnknownModel, ModelNotInstalled, LicenceRefused, faults.UnusableModel),
    "Jobs and assets": (
        errors.IdempotencyConflict,
        errors.JobNotFound,
        errors.JobGoesOn,
        errors.RecipeUnknown,
        errors.WebhookNotFound,
        ArtifactNotFound,
        errors.JobCanceled,
        faults.DeadlineExceeded,
        faults.WorkerLost,
        OutOfMemory,
        faults.OperationFailed,
    ),
    "The service": (
        errors.NotBuilt,
        errors.WorkersAway,
        BrokerUnavailable,
        DatabaseUnavailable,
        AssetStoreUnavailable,
        DiskQuotaExceeded,
        errors.InternalError,
    ),
    COMMANDS: (KeyNameTaken, KeyNotFound),
}
INTRODUCTION = """\
Every fault is answered as `application/problem+json` (RFC 9457). `error.code` is stable, and \
meant for programs; `error.message` is meant for people, and may change.

```json
{
  "type": "/docs/errors#unusable_media",
  "title": "Unprocessable Entity",
  "status": 422,
  "detail": "image: the file is empty (0 bytes).",
  "instance": "/api/grading/apply",
  "success": false,
  "error": {
    "code": "unusable_media",
    "message": "image: the file is empty (0 bytes).",
    "field": "image",
    "hint": null
  }
}
```

`type` is where the code is explained, on the studio itself. `field` is the request field at \
fault, or null; `hint` says what to do, or is null. A call that waited for a job and saw it fail \
has the job's `jobId` beside them. A job that nobody waited for keeps the same `status`, `code`, \
`message`, `field` and `hint` under `error` in its record (`GET /api/jobs/<jobId>`, which itself \
answers 200)."""
OF_HTTP = """\
A path that does not exist, a method that a route does not have and the like carry the status's \
own words as the code: `not_found` (404), `method_not_allowed` (405)."""


def catalogue() -> dict[str, type[StudioError]]:
    """Return the types of all faults by their codes."""
    return {one.code: one for types in GROUPS.values() for one in types}


def meaning(fault: type[StudioError]) -> str:
    """Return what faults of a type are: the first paragraph of its docstring, on one line."""
    return " ".join((fault.__doc__ or "").split("\n\n")[0].split())


def told(fault: type[StudioError]) -> str:
    """Return a type's paragraph: status, meaning, what to do."""
    retry = ", with `Retry-After`" if fault.status in RETRYABLE else ""
    return f"{fault.status}{retry}. {meaning(fault)} {fault.advice}"


def as_markdown() -> str:
    """Return ``docs/errors.md``."""
    parts = ["# Errors", "<!-- Made by `make docs` of the error types: change it there. -->"]
    parts.append(INTRODUCTION)
    for title, types in GROUPS.items():
        parts.append(f"## {title}")
        for one in types:
            parts += [f"### {one.code}", told(one)]
    return "\n\n".join([*parts, "## HTTP's own", OF_HTTP]) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")  # noqa: T201
