"""Keep a copy of a file: next to no work, and a result that can be checked."""

import shutil

import dagster as dg

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from studio_pipelines.media.sniff import Media
from studio_pipelines.operation import (
    ModelIdentity,
    Operation,
    OperationResult,
    Parameters,
    studio_op,
)


class FileKeep(Parameters):
    """Nothing to choose."""


@studio_op(FileKeep)
def file_keep(
    context: dg.OpExecutionContext,  # noqa: ARG001 - part of every op's signature
    params: FileKeep,  # noqa: ARG001
    image: Artifact,
    artifacts: ArtifactStore,
) -> OperationResult:
    """Keep a copy of a file."""
    with artifacts.scratch() as folder, artifacts.local_path(image) as path:
        copy = folder / "copy"
        shutil.copy(path, copy)
        kept = artifacts.adopt(copy, media_type=image.media_type)
    return OperationResult(
        assets={"copy": kept},
        metrics={"bytes": kept.bytes},
        verification={"passed": kept.sha256 == image.sha256},
        model=ModelIdentity("copy", "1", "Apache-2.0", "builtin"),
    )


OPERATION = Operation(
    op=file_keep,
    parameters=FileKeep,
    route="/trivial/keep",
    worker="file-keeper",
    lane="trivial",
    accepts={"image": (Media.IMAGE,)},
    returns=Media.IMAGE,
)
