"""A handle to stored bytes, and how Dagster makes one of an id in a run's config."""

import dataclasses
from typing import Any

import dagster as dg
from dagster_shared.error import DagsterError

from studio_pipelines.errors import StudioError, problem_of


class ArtifactNotFound(StudioError):
    """No asset has this id, or it was deleted."""

    status = 404
    code = "asset_not_found"


class InputNotLoaded(dg.Failure, DagsterError):
    """An input that cannot be had, with the reason in plain words.

    Dagster wraps what a loader raises, and its metadata are lost, unless it is an error of its own.
    """

    def __init__(self, fault: StudioError) -> None:
        problem = dg.MetadataValue.json(problem_of(fault))
        super().__init__(fault.message, {"problem": problem}, allow_retries=False)


@dg.dagster_type_loader(str, required_resource_keys={"artifacts"})
def _artifact_by_id(context: dg.DagsterTypeLoaderContext, asset_id: str) -> "Artifact":
    try:
        return context.resources.artifacts.get(asset_id)
    except StudioError as error:
        raise InputNotLoaded(error) from error


@dg.usable_as_dagster_type(name="Artifact", loader=_artifact_by_id)
@dataclasses.dataclass(frozen=True)
class Artifact:
    """A handle to stored bytes; small enough to pass between ops and to put in run config.

    Attributes:
        id: Public id, ``ast_`` and 24 hex digits; see :func:`resources.artifact_entry.new_id`.
        sha256: Hash of the content, lower-case hex.
        media_type: MIME type found in the content itself, such as ``image/png``.
        bytes: Size of the content.
        created_at: ISO 8601 time, UTC.
        filename: Name that a download proposes, or None.
        job_id: The job that made it, or None for an upload.
    """

    id: str
    sha256: str
    media_type: str
    bytes: int
    created_at: str
    filename: str | None = None
    job_id: str | None = None

    def describe(self) -> dict[str, Any]:
        """Return the record in the camelCase of the HTTP contract, without its URL."""
        record = {
            "id": self.id,
            "mediaType": self.media_type,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "createdAt": self.created_at,
            "filename": self.filename,
            "jobId": self.job_id,
        }
        return {name: value for name, value in record.items() if value is not None}


def not_found(asset_id: str) -> ArtifactNotFound:
    """Return the fault of an id that names nothing."""
    return ArtifactNotFound(
        f"There is no asset {asset_id!r}.",
        hint="Upload the file with POST /api/assets and use the id that it answers.",
    )
