"""A handle to stored bytes."""

import dataclasses
from typing import Any

from resources.run_tags import LOCAL_OWNER
from studio_pipelines.errors import StudioError


class ArtifactNotFound(StudioError):
    """No asset has this id, or it was deleted."""

    status = 404
    code = "asset_not_found"


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
        owner: Whose it is; nobody else is told that there is such an asset.
    """

    id: str
    sha256: str
    media_type: str
    bytes: int
    created_at: str
    filename: str | None = None
    job_id: str | None = None
    owner: str = LOCAL_OWNER

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
