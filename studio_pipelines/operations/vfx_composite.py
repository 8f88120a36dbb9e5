"""Cut the subject out of a picture or a video, and lay it over another background."""

from functools import partial

import dagster as dg

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.devices import CPU
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.compositing.material import is_video, open_material
from studio_pipelines.compositing.parameters import VfxComposite, require_what_fits
from studio_pipelines.compositing.subject import WORKER, choose_finder, chosen_models
from studio_pipelines.kept_files import keep_files
from studio_pipelines.media.sniff import Media
from studio_pipelines.operation import Operation, OperationResult, studio_op


@studio_op(VfxComposite)
def vfx_composite(
    _context: dg.OpExecutionContext,
    params: VfxComposite,
    foreground: Artifact,
    artifacts: ArtifactStore,
    gpu: Gpu,
    models: ModelStore,
    progress: Progress,
    background: Artifact | None = None,
    trimap: Artifact | None = None,
    mask: Artifact | None = None,
) -> OperationResult:
    """Cut the subject out of a picture or a video, and lay it over another background."""
    require_what_fits(
        params,
        is_video=is_video(foreground),
        has_background=background is not None,
        has_trimap=trimap is not None,
        has_mask=mask is not None,
    )
    progress.report(0.0, "decoding")
    with open_material(
        artifacts, foreground, background=background, trimap=trimap, mask=mask
    ) as material:
        finder = choose_finder(models.shelf, params, is_needed=material.needs_subject)
        lease = gpu.lease(
            finder.identity.name,
            size_class(material.megapixels, "megapixels"),
            # Measured; the network's own pass takes most of a small picture's.
            guess_mib=200 + 30 * material.megapixels + (900 if finder.subject else 0),
            models=finder.sources,
            device=None if finder.edges else CPU,
            on_wait=partial(progress.report, 0.1, "waiting for memory"),
        )
        with lease, artifacts.scratch() as folder:
            made = material.composite(params, finder.means(lease), folder, progress.report)
            progress.report(1.0, "storing")
            kept = keep_files(artifacts, made.files)
            preview = artifacts.open(kept["preview"]).read()
    return OperationResult(
        assets=kept,
        metrics={**made.metrics, **lease.describe()},
        verification=made.verification,
        model=finder.identity,
        preview_png=preview,
        notes=made.notes,
    )


def _preload() -> None:
    from studio_pipelines.compositing.preparation import compile_kernels

    compile_kernels()


def _warm_up() -> None:
    from studio_pipelines.compositing.preparation import prepare_pymatting
    from studio_pipelines.media import preview  # noqa: F401  libvips starts a thread on import
    from studio_pipelines.media.shared_decoder import shared_decoder

    shared_decoder().warm()
    prepare_pymatting()


OPERATION = Operation(
    op=vfx_composite,
    parameters=VfxComposite,
    route="/vfx/composite",
    worker=WORKER,
    lane="image",
    accepts={
        "foreground": (Media.IMAGE, Media.VIDEO),
        "background": (Media.IMAGE, Media.VIDEO),
        "trimap": (Media.IMAGE,),
        "mask": (Media.IMAGE,),
    },
    returns=Media.IMAGE,
    chooses=chosen_models,
    preload=_preload,
    warm_up=_warm_up,
    examples={
        "replace the background": {
            "foreground": "asset:ast_0123456789abcdef01234567",
            "background": "asset:ast_89abcdef0123456701234567",
            "lightWrap": 0.3,
        },
        "cut out": {"foreground": "asset:ast_0123456789abcdef01234567"},
    },
)
