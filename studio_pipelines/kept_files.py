"""An op's files, kept as assets."""

from collections.abc import Mapping
from pathlib import Path

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore


def keep_files(
    artifacts: ArtifactStore, files: Mapping[str, tuple[Path, str]]
) -> dict[str, Artifact]:
    """Make finished files assets, under their own names, in their order.

    Args:
        artifacts: The store.
        files: Each result's file and media type by the result's name, the main one first.

    Raises:
        StudioError: The store is away or full.
    """
    return {
        name: artifacts.adopt(path, media_type=media_type, filename=path.name)
        for name, (path, media_type) in files.items()
    }
