"""Files on their way to the studio and back."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from studio_pipelines.client.transport import Transport
from studio_pipelines.contract.assets import Asset, StoredAsset

BLOCK_BYTES = 1 << 20
OnBytes = Callable[[int, int], None]


def upload(transport: Transport, path: Path, on_bytes: OnBytes | None = None) -> StoredAsset:
    """Store a file, read in blocks as it is sent.

    Args:
        transport: The studio.
        path: The file.
        on_bytes: Told how many bytes of how many are sent.

    Raises:
        OSError: The file cannot be read.
        StudioFault: It is refused.
    """
    size_bytes = path.stat().st_size

    def blocks() -> Iterator[bytes]:
        sent_bytes = 0
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block
                sent_bytes += len(block)
                if on_bytes:
                    on_bytes(sent_bytes, size_bytes)

    headers = {"Content-Type": "application/octet-stream"}
    return transport.json("POST", "/api/assets", StoredAsset, content=blocks, headers=headers)


def download(transport: Transport, asset: Asset | str, path: Path) -> Path:
    """Save an asset in a file, whole or not at all.

    Raises:
        OSError: The file cannot be written.
        StudioFault: There is no such asset.
    """
    asset_id = asset if isinstance(asset, str) else asset.id
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            transport.stream(f"/api/assets/{asset_id.removeprefix('asset:')}") as answer,
        ):
            for block in answer.iter_bytes():
                file.write(block)
        draft.chmod(0o666 & ~_umask())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def with_references(body: Mapping[str, Any], store: Callable[[Path], str]) -> dict[str, Any]:
    """Return a body in which each path has become the reference of the file, stored."""

    def put(value: Any) -> Any:
        if isinstance(value, os.PathLike):
            return store(Path(value))
        if isinstance(value, Mapping):
            return {name: put(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [put(one) for one in value]
        return value

    return put(body)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
