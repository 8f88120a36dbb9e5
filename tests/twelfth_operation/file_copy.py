"""Copy a file: the least that an operation can be."""

import shutil
import time

import dagster as dg
from pydantic import Field

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.progress import Progress
from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.sniff import Media
from studio_pipelines.model_choice import ChosenModel
from studio_pipelines.operation import (
    ModelIdentity,
    Operation,
    OperationResult,
    Parameters,
    studio_op,
)

MODEL = ModelIdentity("copy", "1", "Apache-2.0", "builtin")


class FileCopy(Parameters):
    """How to copy."""

    seconds_taken: float = Field(0.0, ge=0, le=60, description="How long to take.")
    refuse: bool = Field(False, description="Whether to refuse the file.")


@studio_op(FileCopy)
def file_copy(
    context: dg.OpExecutionContext,
    params: FileCopy,
    image: Artifact,
    artifacts: ArtifactStore,
    gpu: Gpu,
    progress: Progress,
) -> OperationResult:
    """Copy a file."""
    if params.refuse:
        raise UnusableMedia("image: refused on request.", field="image", hint="Do not ask for it.")
    ends_at_s = time.monotonic() + params.seconds_taken
    while (left_s := ends_at_s - time.monotonic()) > 0:
        progress.report(1 - left_s / params.seconds_taken, "copy")
        time.sleep(0.05)
    lease = gpu.lease("copy", size_class(image.bytes / 1e6, "megabytes"), guess_mib=1)
    with lease, artifacts.scratch() as folder, artifacts.local_path(image) as path:
        copy = shutil.copy(path, folder / "copy")
        kept = artifacts.adopt(copy, media_type=image.media_type)
    return OperationResult(
        assets={"copy": kept},
        metrics={"bytes": kept.bytes, **lease.describe()},
        verification={"passed": kept.sha256 == image.sha256},
        model=MODEL,
    )


OPERATION = Operation(
    op=file_copy,
    parameters=FileCopy,
    route="/test/copy",
    worker="file-copier",
    lane="test",
    accepts={"image": (Media.IMAGE,)},
    returns=Media.IMAGE,
    chooses=lambda _params, _given, _shelf: (ChosenModel(MODEL),),
)
