"""Files that operations take and give: immutable handles over a content-addressed store.

Layout under the store's URL (any fsspec file system; a local folder by default):

- ``blobs/ab/<sha256>``: the bytes, once however many assets share them;
- ``assets/<id>.json``: the record of one asset;
- ``refs/<sha256>/<id>``: empty marks that tell which assets still need a blob;
- ``incoming/``: files being written, renamed into place when whole, so no reader sees half a file.

In which order they come and go, and what is left where that is cut off, is told in
:mod:`resources.artifact_entry`.
"""

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, cast

import dagster as dg
import fsspec
from pydantic import PrivateAttr

from resources import artifact_entry
from resources.artifact import Artifact, not_found
from resources.artifact_layout import StoreLayout
from resources.artifact_sweep import Swept, sweep
from resources.artifact_writer import ArtifactWriter, hash_file
from resources.kept_assets import KeptAssets
from resources.quota import KEEP_FREE_BYTES, DiskQuota, shared_quota
from resources.run_tags import LOCAL_OWNER, job_id_of, owner_of
from resources.storage_faults import scratch_faults, storage_faults, unavailable
from studio_pipelines.errors import StudioError


class ArtifactStore(dg.ConfigurableResource):
    """Stores assets under ``url`` and never lets them outgrow ``quota_bytes`` (0 = no limit).

    Of a local disk it leaves ``keep_free_bytes`` free. Every method raises AssetStoreUnavailable
    where the store cannot be reached, and those that write DiskQuotaExceeded where it is full; what
    they had begun is then undone.

    Within a Dagster run it works for that run: assets are its job's, with ids derived from their
    content, so that a run that is done again stores nothing twice.
    """

    url: str
    quota_bytes: int = 0
    keep_free_bytes: int = KEEP_FREE_BYTES
    _run_id: str | None = PrivateAttr(default=None)
    _owner: str = PrivateAttr(default=LOCAL_OWNER)
    _kept: KeptAssets = PrivateAttr(default_factory=KeptAssets)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember which run this works for."""
        self._run_id = context.run.run_id if context.run else None
        self._owner = owner_of(context.run.tags) if context.run else LOCAL_OWNER
        self._kept = KeptAssets()

    @cached_property
    def _layout(self) -> StoreLayout:
        layout = StoreLayout(*fsspec.url_to_fs(self.url), self._run_id)
        if self._run_id is None:
            layout.create()
        else:
            # A run's inputs are in the store. One that is not there has been unmounted, and made
            # anew it would lie on another disk.
            if not layout.exists():
                raise unavailable()
            artifact_entry.remove_leftovers(layout)
        return layout

    @property
    def quota(self) -> DiskQuota:
        """What the store may still take."""
        self._layout  # noqa: B018  a store that is away is said before anything is counted
        return shared_quota(self.url, self.quota_bytes, self.keep_free_bytes)

    def new_writer(self) -> ArtifactWriter:
        """Open a writer that hashes as it stores; call ``keep`` or ``drop`` when done."""
        with storage_faults():
            self.quota.require(0)
            return ArtifactWriter(self._layout.fs, self._layout.new_incoming(), self.quota)

    def keep(
        self,
        writer: ArtifactWriter,
        *,
        media_type: str,
        filename: str | None = None,
        owner: str | None = None,
    ) -> Artifact:
        """Close ``writer`` and make its bytes an asset: the owner's, or else the run's owner's."""
        with storage_faults():
            return self._enter(writer.finish(), media_type, filename, owner)

    def adopt(self, path: Path, *, media_type: str, filename: str | None = None) -> Artifact:
        """Make a finished local file an asset, moving it where the store is a local folder."""
        with storage_faults():
            sha256, size_bytes = hash_file(path)
            self.quota.require(size_bytes)
            layout = self._layout
            incoming = layout.new_incoming()
            try:
                if layout.is_local:
                    shutil.move(path, incoming)
                else:
                    layout.fs.put_file(str(path), incoming)
                    path.unlink()
            except BaseException:
                with suppress(OSError):
                    layout.fs.rm_file(incoming)
                raise
            return self._enter((incoming, sha256, size_bytes), media_type, filename)

    def get(self, asset_id: str) -> Artifact:
        """Look an asset up.

        Raises:
            ArtifactNotFound: There is none with this id.
        """
        if not (asset_id.startswith("ast_") and asset_id[4:].isalnum()):
            raise not_found(asset_id)
        with storage_faults():
            record = self._layout.read_record(asset_id)
            if record is None:
                raise self._missing(asset_id)
            if self._run_id is not None:
                self._kept.need(asset_id)
            return Artifact(**record)

    def open(self, artifact: Artifact) -> IO[bytes]:
        """Open the bytes for reading and seeking.

        Raises:
            ArtifactNotFound: It has been deleted since.
        """
        with storage_faults():
            try:
                file = self._layout.fs.open(self._layout.blob(artifact.sha256), "rb")
            except FileNotFoundError:
                raise self._missing(artifact.id) from None
            return cast(IO[bytes], file)

    def stored_path(self, artifact: Artifact) -> Path | None:
        """Return the blob's own path where the store is a local folder, else None.

        Raises:
            ArtifactNotFound: It has been deleted since.
        """
        with storage_faults():
            if not self._layout.is_local:
                return None
            path = Path(self._layout.blob(artifact.sha256))
            if not path.exists():
                raise self._missing(artifact.id)
            return path

    @contextmanager
    def local_path(self, artifact: Artifact) -> Iterator[Path]:
        """Give a readable local path: the blob itself, or a copy that goes when the block ends."""
        stored = self.stored_path(artifact)
        if stored is not None:
            yield stored
            return
        with self.scratch() as folder:
            target = folder / artifact.sha256
            with storage_faults():
                self._layout.fs.get_file(self._layout.blob(artifact.sha256), str(target))
            yield target

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a folder for files in the making, on the store's own disk where it is local.

        Raises:
            DiskQuotaExceeded: The disk is full, also if the block finds it so.
            AssetStoreUnavailable: The disk cannot be written to, also if the block finds it so.
        """
        with storage_faults():
            layout = self._layout
            parent = layout.folder("incoming") if layout.is_local else None
            prefix = layout.incoming_prefix or "op-"
            holder = tempfile.TemporaryDirectory(dir=parent, prefix=prefix)
        with holder as folder, scratch_faults():
            yield Path(folder)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Delete what the block stored if it does not come to its end; blocks may be nested."""
        with self._kept.all_or_nothing(self._delete_quietly):
            yield

    def delete(self, asset_id: str) -> None:
        """Forget an asset, and its bytes if no other asset shares them.

        Raises:
            ArtifactNotFound: There is none with this id.
        """
        artifact = self.get(asset_id)
        with storage_faults():
            if artifact_entry.leave(self._layout, artifact.id, artifact.sha256):
                self.quota.spend(-artifact.bytes)

    def _delete_quietly(self, asset_id: str) -> None:
        # The fault in hand is the one to tell; an asset that stays is whole all the same.
        with suppress(StudioError):
            self.delete(asset_id)

    def sweep(self, run_goes_on: Callable[[str], bool]) -> Swept:
        """Clear what killed processes left; ``run_goes_on`` tells of a run id whether it lives."""
        with storage_faults():
            return sweep(self._layout, run_goes_on=run_goes_on)

    def _enter(
        self,
        file: tuple[str, str, int],
        media_type: str,
        filename: str | None,
        owner: str | None = None,
    ) -> Artifact:
        layout, (incoming, sha256, size_bytes) = self._layout, file
        asset_id = artifact_entry.new_id(self._run_id, sha256, filename)
        if self._run_id is not None and (known := layout.read_record(asset_id)):
            layout.fs.rm_file(incoming)
            self._kept.add(asset_id)
            return Artifact(**known)
        artifact = Artifact(
            id=asset_id,
            sha256=sha256,
            media_type=media_type,
            bytes=size_bytes,
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            filename=filename,
            job_id=None if self._run_id is None else job_id_of(self._run_id),
            owner=owner or self._owner,
        )
        if self._run_id is not None:
            self._kept.add(asset_id)
        if artifact_entry.enter(layout, dataclasses.asdict(artifact), incoming):
            self.quota.spend(size_bytes)
        return artifact

    def _missing(self, asset_id: str) -> StudioError:
        """Tell an asset that is not there from a store that is not there."""
        return not_found(asset_id) if self._layout.exists() else unavailable()
