"""Tell how far each pixel of a picture or a video is."""

from functools import partial

import dagster as dg

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.estimating.material import open_material, require_one
from studio_pipelines.estimating.network import WORKER, choose_estimator, chosen_models
from studio_pipelines.estimating.parameters import DepthEstimate, require_what_fits
from studio_pipelines.kept_files import keep_files
from studio_pipelines.media.sniff import Media
from studio_pipelines.operation import Operation, OperationResult, studio_op


@studio_op(DepthEstimate)
def depth_estimate(
    _context: dg.OpExecutionContext,
    params: DepthEstimate,
    artifacts: ArtifactStore,
    gpu: Gpu,
    models: ModelStore,
    progress: Progress,
    image: Artifact | None = None,
    video: Artifact | None = None,
) -> OperationResult:
    """Tell how far each pixel of a picture or a video is."""
    require_one(image, video)
    estimator = choose_estimator(models.shelf, params)
    require_what_fits(params, is_video=video is not None, is_metric=estimator.is_metric)
    progress.report(0.0, "decoding")
    with open_material(artifacts, image=image, video=video) as material:
        lease = gpu.lease(
            estimator.identity.name,
            size_class(material.megapixels, "megapixels"),
            # Measured: a full-size map, its guide and what is encoded of it; the networks' passes.
            guess_mib=600 + 40 * material.megapixels + (900 if estimator.subject else 0),
            models=estimator.sources,
            on_wait=partial(progress.report, 0.1, "waiting for memory"),
        )
        with lease, artifacts.scratch() as folder:
            made = lease.on_ladder(
                lambda _rung: material.estimate(
                    params, estimator.sight(lease), folder, progress.report
                )
            )
            progress.report(1.0, "storing")
            kept = keep_files(artifacts, made.files)
    return OperationResult(
        assets=kept,
        metrics={**made.metrics, **lease.describe()},
        verification=made.verification,
        model=estimator.identity,
        preview_png=made.preview_png,
        notes=made.notes,
    )


def _preload() -> None:
    from studio_pipelines.estimating.preparation import compile_kernels

    compile_kernels()


def _warm_up() -> None:
    from studio_pipelines.media import preview  # noqa: F401  libvips starts a thread on import
    from studio_pipelines.media.shared_decoder import shared_decoder

    shared_decoder().warm()


OPERATION = Operation(
    op=depth_estimate,
    parameters=DepthEstimate,
    route="/depth/estimate",
    worker=WORKER,
    lane="image",
    accepts={"image": (Media.IMAGE,), "video": (Media.VIDEO,)},
    returns=Media.IMAGE,
    chooses=chosen_models,
    preload=_preload,
    warm_up=_warm_up,
    examples={
        "relative depth": {"image": "asset:ast_0123456789abcdef01234567"},
        "metres, and points in space": {
            "image": "asset:ast_0123456789abcdef01234567",
            "mode": "metric",
            "maxDepth": 40,
            "outputs": ["exr", "pointcloud", "preview"],
        },
    },
)
