"""Grade a picture: by hand, by a look-up table, after another picture, or by a network."""

from functools import partial

import dagster as dg

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.devices import CPU
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.grading.parameters import (
    GradingApply,
    require_a_storable_depth,
    require_one_base,
)
from studio_pipelines.media.sniff import Media
from studio_pipelines.operation import ModelIdentity, Operation, OperationResult, studio_op

WORKER = "grading-engine"
MODEL = ModelIdentity("studio-grade", "1", "Apache-2.0", "builtin")


@studio_op(GradingApply)
def grading_apply(
    _context: dg.OpExecutionContext,
    params: GradingApply,
    image: Artifact,
    artifacts: ArtifactStore,
    gpu: Gpu,
    models: ModelStore,
    progress: Progress,
    lut: Artifact | None = None,
    reference: Artifact | None = None,
    mask: Artifact | None = None,
) -> OperationResult:
    """Apply a colour grade to a picture, and give the same grade as a .cube file."""
    from studio_pipelines.grading.neural import network_source, retouched_lut
    from studio_pipelines.grading.recipe import (
        decode,
        matched_lut,
        matte_of,
        path_of,
        read_lut,
        recipe_of,
    )
    from studio_pipelines.grading.still import grade_still

    require_one_base(params, reference)
    require_a_storable_depth(params)
    network = models.choose(WORKER, params.model) if params.auto else None
    sources = () if network is None else (network_source(network),)
    progress.report(0.0, "decoding")
    before = decode(artifacts, image, "image").as_rgb()
    table, path = read_lut(artifacts, lut), path_of(params, before)
    drawn = None if mask is None else decode(artifacts, mask, "mask")
    wanted = None if reference is None else decode(artifacts, reference, "reference").as_rgb()
    megapixels = before.height_px * before.width_px / 1e6
    lease = gpu.lease(
        MODEL.name,
        size_class(megapixels, "megapixels"),
        guess_mib=64 + 16 * megapixels,  # measured at 16 bits; what jobs really use is learned
        models=sources,
        device=CPU,
        on_wait=partial(progress.report, 0.2, "waiting for memory"),
    )
    with lease, artifacts.scratch() as folder:
        progress.report(0.2, "preparing")
        base = None if wanted is None else matched_lut(params, before, wanted)
        for source in sources:
            base = retouched_lut(lease, source, before, params.strength)
        matte = matte_of(params, drawn, before)
        recipe = recipe_of(params, table, base, path)
        graded = grade_still(params, recipe, before, matte, folder, progress.report)
        progress.report(1.0, "storing")
        kept = {
            name: artifacts.adopt(path, media_type=media_type, filename=path.name)
            for name, (path, media_type) in graded.files.items()
        }
        preview = artifacts.open(kept["preview"]).read() if "preview" in kept else None
    return OperationResult(
        assets=kept,
        metrics={"megapixels": megapixels, **graded.metrics, **lease.describe()},
        verification=graded.verification,
        model=MODEL if network is None else ModelIdentity.of(network),
        preview_png=preview,
        notes=graded.notes,
    )


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
        "lut": (Media.LUT, Media.IMAGE),
        "reference": (Media.IMAGE,),
        "mask": (Media.IMAGE,),
    },
    returns=Media.IMAGE,
    version="2",
    preload=_preload,
    warm_up=_warm_up,
    examples={
        "lut": {
            "image": "asset:ast_0123456789abcdef01234567",
            "lut": "asset:ast_89abcdef0123456701234567",
            "intensity": 0.9,
        },
        "match": {
            "image": "asset:ast_0123456789abcdef01234567",
            "reference": "asset:ast_89abcdef0123456701234567",
            "match": "mkl",
        },
    },
)
