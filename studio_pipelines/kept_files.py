"""An op's files, kept as assets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore

Files = dict[str, tuple[Path, str]]
"""Each result's file and media type by the result's name, the main one first."""


@dataclass(frozen=True)
class Made:
    """What was made of a picture or a video, in a folder.

    Attributes:
        files: The results.
        metrics: Figures of the work.
        verification: What was measured of the result.
        notes: Plain sentences for the person.
        preview_png: A small picture of it, where none of the files is one.
    """

    files: Files
    metrics: Mapping[str, Any]
    verification: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    preview_png: bytes | None = None


def keep_files(artifacts: ArtifactStore, files: Files) -> dict[str, Artifact]:
    """Make finished files assets, under their own names, in their order.

    Args:
        artifacts: The store.
        files: They.

    Raises:
        StudioError: The store is away or full.
    """
    return {
        name: artifacts.adopt(path, media_type=media_type, filename=path.name)
        for name, (path, media_type) in files.items()
    }
