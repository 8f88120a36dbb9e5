"""The files that one request brings into the store."""

from contextlib import suppress
from types import TracebackType
from typing import Self

from api.callers import Caller
from api.errors import UploadTooLarge
from resources.artifact import Artifact
from resources.artifact_writer import ArtifactWriter
from resources.artifacts import ArtifactStore
from studio_pipelines.errors import StudioError
from studio_pipelines.media.sniff import sniff

UNKNOWN_MEDIA_TYPE = "application/octet-stream"


class Intake:
    """Keeps a request's files; they go again when its block ends with an error.

    Attributes:
        caller: Whose they are.
        kept: What the request has brought so far.
    """

    def __init__(self, artifacts: ArtifactStore, max_bytes: int, caller: Caller) -> None:
        self._artifacts = artifacts
        self.caller = caller
        self._max_bytes = max_bytes
        self.kept: list[Artifact] = []

    def new_writer(self) -> ArtifactWriter:
        """Open a writer for one file; ``keep`` it or drop it."""
        return self._artifacts.new_writer()

    def write(self, writer: ArtifactWriter, data: bytes, field: str | None = None) -> None:
        """Store a piece of a file.

        Raises:
            UploadTooLarge: The file outgrows the limit.
        """
        if writer.size_bytes + len(data) > self._max_bytes:
            raise UploadTooLarge(
                f"The file is over the limit of {self._max_bytes:,} bytes.", field=field
            )
        writer.write(data)

    def keep(self, writer: ArtifactWriter, filename: str | None = None) -> Artifact:
        """Make what was written an asset of the media type that its first bytes show."""
        found = sniff(writer.head)
        media_type = found.mime if found else UNKNOWN_MEDIA_TYPE
        artifact = self._artifacts.keep(
            writer, media_type=media_type, filename=filename, owner=self.caller.owner
        )
        self.kept.append(artifact)
        return artifact

    def drop(self) -> None:
        """Delete the request's files: nothing came of it that needs them."""
        for artifact in self.kept:
            # What is to be told is something else; an asset that stays is whole all the same.
            with suppress(StudioError):
                self._artifacts.delete(artifact.id)
        self.kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.drop()
