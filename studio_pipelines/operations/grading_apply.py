"""Grade a picture or a video: by hand, by a LUT, after another picture, or by a network."""

from collections.abc import Set
from functools import partial

import dagster as dg

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.devices import CPU
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.model_shelf import ModelShelf
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.grading.parameters import GradingApply, require_what_fits
from studio_pipelines.kept_files import keep_files
from studio_pipelines.media.sniff import Media
from studio_pipelines.model_choice import ChosenModel
from studio_pipelines.operation import ModelIdentity, Operation, OperationResult, studio_op

WORKER = "grading-engine"
MODEL = ModelIdentity("studio-grade", "2", "Apache-2.0", "builtin")


@studio_op(GradingApply)
def grading_apply(
    _context: dg.OpExecutionContext,
    params: GradingApply,
    artifacts: ArtifactStore,
    gpu: Gpu,
    models: ModelStore,
    progress: Progress,
    image: Artifact | None = None,
    video: Artifact | None = None,
    lut: Artifact | None = None,
    reference: Artifact | None = None,
    mask: Artifact | None = None,
) -> OperationResult:
    """Apply a colour grade to a picture or a video, and give the same grade as a .cube file."""
    from studio_pipelines.grading.base import network_source
    from studio_pipelines.grading.material import open_material

    require_what_fits(params, image=image, video=video, reference=reference)
    network = models.choose(WORKER, params.model) if params.auto else None
    source = None if network is None else network_source(network)
    progress.report(0.0, "decoding")
    with open_material(artifacts, image=image, video=video) as material:
        extras = material.extras(artifacts, lut=lut, reference=reference, mask=mask)
        lease = gpu.lease(
            MODEL.name,
            size_class(material.megapixels, "megapixels"),
            # Measured at 16 bits; what jobs really use is learned.
            guess_mib=64 + 16 * material.megapixels,
            models=() if source is None else (source,),
            device=CPU,
            on_wait=partial(progress.report, 0.1, "waiting for memory"),
        )
        with lease, artifacts.scratch() as folder:
            progress.report(0.1, "preparing")
            graded = material.grade(params, extras, lease, source, folder, progress.report)
            progress.report(1.0, "storing")
            kept = keep_files(artifacts, graded.files)
            preview = artifacts.open(kept["preview"]).read() if "preview" in kept else None
    return OperationResult(
        assets=kept,
        metrics={**graded.metrics, **lease.describe()},
        verification=graded.verification,
        model=MODEL if network is None else ModelIdentity.of(network),
        preview_png=preview,
        notes=graded.notes,
    )


def _models(params: GradingApply, _given: Set[str], shelf: ModelShelf) -> tuple[ChosenModel, ...]:
    network = shelf.choose(WORKER, params.model) if params.auto else None
    return (ChosenModel(MODEL) if network is None else ChosenModel.of(network),)


def _preload() -> None:
    from studio_pipelines.grading.preparation import compile_kernels

    compile_kernels()


def _warm_up() -> None:
    from studio_pipelines.media import preview  # noqa: F401  libvips starts a thread on import
    from studio_pipelines.media.shared_decoder import shared_decoder

    shared_decoder().warm()


OPERATION = Operation(
    op=grading_apply,
    parameters=GradingApply,
    route="/grading/apply",
    worker=WORKER,
    lane="image",
    accepts={
        "image": (Media.IMAGE,),
        "video": (Media.VIDEO,),
        "lut": (Media.LUT, Media.IMAGE),
        "reference": (Media.IMAGE,),
        "mask": (Media.IMAGE,),
    },
    returns=Media.IMAGE,
    version="2",
    chooses=_models,
    preload=_preload,
    warm_up=_warm_up,
    examples={
        "lut": {
            "image": "asset:ast_0123456789abcdef01234567",
            "lut": "asset:ast_89abcdef0123456701234567",
            "intensity": 0.9,
        },
        "auto": {"image": "asset:ast_0123456789abcdef01234567", "auto": True},
        "match": {
            "video": "asset:ast_0123456789abcdef01234567",
            "reference": "asset:ast_89abcdef0123456701234567",
            "match": "mkl",
        },
    },
)
