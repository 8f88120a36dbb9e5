"""Chains of the file-copying operation: one after the other, by name, and sharing an input."""

import shutil
from collections.abc import Mapping

import dagster as dg
from pydantic import Field

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.handover import Handover
from studio_pipelines.chain import Chain, Step, Steps
from studio_pipelines.inner_op import InnerOp
from studio_pipelines.operation import ModelIdentity, OperationResult, Parameters, studio_op

IDENTITY = ModelIdentity("join", "1", "Apache-2.0", "builtin")


class FilesJoin(Parameters):
    """How to join."""

    between: str = Field("", description="What to put between them.")


@studio_op(FilesJoin)
def files_join(
    _context: dg.OpExecutionContext,
    params: FilesJoin,
    made: Mapping[str, Artifact],
    artifacts: ArtifactStore,
    original: Artifact | None = None,
) -> OperationResult:
    """Join what a step has made, and after it the original."""
    parts = [*made.values(), *([original] if original else [])]
    with artifacts.scratch() as folder:
        with (folder / "joined").open("wb") as file:
            for number, part in enumerate(parts):
                file.write(params.between.encode() if number else b"")
                with artifacts.open(part) as content:
                    shutil.copyfileobj(content, file)
        kept = artifacts.adopt(folder / "joined", media_type="image/png", filename="joined")
    return OperationResult(
        {"joined": kept}, {"parts": len(parts)}, {"passed": True}, IDENTITY, notes=tuple(made)
    )


def copy_twice(step: Steps) -> None:
    """Copy a file, and copy the copy."""
    step["again"](image=step["file_copy"]())


def copy_join(step: Steps, image: Handover) -> None:
    """Copy a file, and join the copy and the original."""
    step["files_join"](made=step["file_copy"](image=image), original=image)


def copy_nothing(step: Steps) -> None:
    """Do what nobody has built."""
    step["file_copy"](image=step["file_find"]())


CHAINS = (
    Chain(
        name="copy-twice",
        compose=copy_twice,
        steps=(Step("file_copy"), Step("file_copy", alias="again")),
        examples={"slow": {"image": "asset:ast_0", "again": {"secondsTaken": 2}}},
    ),
    Chain(
        name="copy-join",
        compose=copy_join,
        steps=(
            Step("file_copy", parts=("copy", "cover")),
            Step(
                InnerOp(op=files_join, parameters=FilesJoin, model=IDENTITY),
                defaults={"between": "+"},
            ),
        ),
    ),
    Chain("copy-nothing", copy_nothing, (Step("file_find"), Step("file_copy"))),
)
