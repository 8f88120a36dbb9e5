"""Files that operations take and give: immutable handles over a content-addressed store.

Layout under the store's URL (any fsspec file system; a local folder by default):

- ``blobs/ab/<sha256>``: the bytes, once however many assets share them;
- ``assets/<id>.json``: the record of one asset; ids are random, so they cannot be guessed;
- ``refs/<sha256>/<id>``: empty marks that tell which assets still need a blob;
- ``incoming/``: files being written, renamed into place when whole, so no reader sees half a file.
"""

import dataclasses
import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

import dagster as dg
import fsspec
from fsspec.implementations.local import LocalFileSystem
from pydantic import PrivateAttr

from resources.artifact_writer import ArtifactWriter, hash_file
from resources.quota import DiskQuota
from studio_pipelines.errors import StudioError


class ArtifactNotFound(StudioError):
    """No asset has this id, or it was deleted."""

    status = 404
    code = "asset_not_found"


@dg.dagster_type_loader(str, required_resource_keys={"artifacts"})
def _artifact_by_id(context: dg.DagsterTypeLoaderContext, asset_id: str) -> "Artifact":
    return context.resources.artifacts.get(asset_id)


@dg.usable_as_dagster_type(name="Artifact", loader=_artifact_by_id)
@dataclasses.dataclass(frozen=True)
class Artifact:
    """A handle to stored bytes; small enough to pass between ops and to put in run config.

    Attributes:
        id: Random public id, ``ast_`` and 24 hex digits.
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


class ArtifactStore(dg.ConfigurableResource):
    """Stores assets under ``url`` and never lets them outgrow ``quota_bytes`` (0 = no limit)."""

    url: str
    quota_bytes: int = 0
    _quota: DiskQuota | None = PrivateAttr(default=None)

    @cached_property
    def _located(self) -> tuple[fsspec.AbstractFileSystem, str]:
        fs, root = fsspec.url_to_fs(self.url)
        for folder in ("blobs", "assets", "refs", "incoming"):
            fs.makedirs(f"{root}/{folder}", exist_ok=True)
        return fs, root

    @property
    def quota(self) -> DiskQuota:
        """What the store may still take."""
        if self._quota is None:
            fs, root = self._located
            self._quota = DiskQuota(fs, root, self.quota_bytes)
        return self._quota

    def new_writer(self) -> ArtifactWriter:
        """Open a writer that hashes as it stores; call ``keep`` or ``drop`` when done."""
        fs, root = self._located
        self.quota.require(0)
        return ArtifactWriter(fs, f"{root}/incoming/{secrets.token_hex(12)}", self.quota)

    def keep(
        self,
        writer: ArtifactWriter,
        *,
        media_type: str,
        filename: str | None = None,
        job_id: str | None = None,
    ) -> Artifact:
        """Close ``writer`` and make its bytes an asset."""
        incoming, sha256, size_bytes = writer.finish()
        return self._enter(incoming, sha256, size_bytes, media_type, filename, job_id)

    def adopt(
        self,
        path: Path,
        *,
        media_type: str,
        filename: str | None = None,
        job_id: str | None = None,
    ) -> Artifact:
        """Make a finished local file an asset, moving it where the store is a local folder."""
        sha256, size_bytes = hash_file(path)
        self.quota.require(size_bytes)
        fs, root = self._located
        incoming = f"{root}/incoming/{secrets.token_hex(12)}"
        if isinstance(fs, LocalFileSystem):
            shutil.move(path, incoming)
        else:
            fs.put_file(str(path), incoming)
            path.unlink()
        return self._enter(incoming, sha256, size_bytes, media_type, filename, job_id)

    def get(self, asset_id: str) -> Artifact:
        """Look an asset up.

        Raises:
            ArtifactNotFound: There is none with this id.
        """
        fs, _ = self._located
        if not (asset_id.startswith("ast_") and asset_id[4:].isalnum()):
            raise _not_found(asset_id)
        try:
            return Artifact(**json.loads(fs.cat_file(self._record(asset_id))))
        except FileNotFoundError:
            raise _not_found(asset_id) from None

    def open(self, artifact: Artifact) -> IO[bytes]:
        """Open the bytes for reading and seeking."""
        fs, _ = self._located
        return cast(IO[bytes], fs.open(self._blob(artifact.sha256), "rb"))

    def stored_path(self, artifact: Artifact) -> Path | None:
        """Return the blob's own path where the store is a local folder, else None."""
        fs, _ = self._located
        if not isinstance(fs, LocalFileSystem):
            return None
        return Path(self._blob(artifact.sha256))

    @contextmanager
    def local_path(self, artifact: Artifact) -> Iterator[Path]:
        """Give a readable local path: the blob itself, or a copy that goes when the block ends."""
        stored = self.stored_path(artifact)
        if stored is not None:
            yield stored
            return
        fs, _ = self._located
        with self.scratch() as folder:
            target = folder / artifact.sha256
            fs.get_file(self._blob(artifact.sha256), str(target))
            yield target

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a folder for files in the making, on the store's own disk where it is local."""
        fs, root = self._located
        parent = f"{root}/incoming" if isinstance(fs, LocalFileSystem) else None
        with tempfile.TemporaryDirectory(dir=parent, prefix="op-") as folder:
            yield Path(folder)

    def delete(self, asset_id: str) -> None:
        """Forget an asset, and its bytes if no other asset shares them.

        Raises:
            ArtifactNotFound: There is none with this id.
        """
        artifact = self.get(asset_id)
        fs, _ = self._located
        fs.rm_file(self._record(asset_id))
        fs.rm_file(self._ref(artifact))
        self._drop_if_unshared(artifact)

    def _enter(
        self,
        incoming: str,
        sha256: str,
        size_bytes: int,
        media_type: str,
        filename: str | None,
        job_id: str | None,
    ) -> Artifact:
        artifact = Artifact(
            id=f"ast_{secrets.token_hex(12)}",
            sha256=sha256,
            media_type=media_type,
            bytes=size_bytes,
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            filename=filename,
            job_id=job_id,
        )
        fs, _ = self._located
        # The mark comes before the look at the blob: a deletion that runs at the same time either
        # sees the mark, or has moved the blob away already and this writes it anew.
        fs.makedirs(fs._parent(self._ref(artifact)), exist_ok=True)  # noqa: SLF001
        fs.pipe_file(self._ref(artifact), b"")
        blob = self._blob(sha256)
        if fs.exists(blob):
            fs.rm_file(incoming)
        else:
            fs.makedirs(fs._parent(blob), exist_ok=True)  # noqa: SLF001
            fs.mv(incoming, blob)
            self.quota.spend(size_bytes)
        record = f"{self._record(artifact.id)}.part"
        fs.pipe_file(record, json.dumps(dataclasses.asdict(artifact)).encode())
        fs.mv(record, self._record(artifact.id))
        return artifact

    def _drop_if_unshared(self, artifact: Artifact) -> None:
        fs, root = self._located
        marks = f"{root}/refs/{artifact.sha256}"
        if fs.ls(marks, detail=False):
            return
        aside = f"{root}/incoming/{secrets.token_hex(12)}"
        fs.mv(self._blob(artifact.sha256), aside)
        if fs.ls(marks, detail=False) and not fs.exists(self._blob(artifact.sha256)):
            fs.mv(aside, self._blob(artifact.sha256))
            return
        fs.rm_file(aside)
        self.quota.spend(-artifact.bytes)

    def _blob(self, sha256: str) -> str:
        return f"{self._located[1]}/blobs/{sha256[:2]}/{sha256}"

    def _record(self, asset_id: str) -> str:
        return f"{self._located[1]}/assets/{asset_id}.json"

    def _ref(self, artifact: Artifact) -> str:
        return f"{self._located[1]}/refs/{artifact.sha256}/{artifact.id}"


def _not_found(asset_id: str) -> ArtifactNotFound:
    return ArtifactNotFound(
        f"There is no asset {asset_id!r}.",
        hint="Upload the file with POST /api/assets and use the id that it answers.",
    )
