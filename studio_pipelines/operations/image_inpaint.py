"""Inpaint a picture: remove an object, fill a hole, or extend the canvas."""

from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.devices import CPU
from resources.embedding_cache import EmbeddingCache
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.lease import Lease
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.inpaint_parameters import ImageInpaint
from studio_pipelines.inpaint_worker import (
    WORKER,
    InpaintWorker,
    choose_worker,
    chosen_models,
)
from studio_pipelines.media.inpaint_settings import DiffusionSettings
from studio_pipelines.media.sniff import PNG, Media
from studio_pipelines.operation import (
    Operation,
    OperationResult,
    studio_op,
)
from studio_pipelines.seeds import drawn
from studio_pipelines.segmenting.clicked import Clicker

if TYPE_CHECKING:
    from studio_pipelines.media.inpaint_scope import Scope
    from studio_pipelines.media.inpainting import Inpainted
    from studio_pipelines.media.picture import Picture


@studio_op(ImageInpaint)
def image_inpaint(
    _context: dg.OpExecutionContext,
    params: ImageInpaint,
    image: Artifact,
    artifacts: ArtifactStore,
    embeddings: EmbeddingCache,
    gpu: Gpu,
    models: ModelStore,
    progress: Progress,
    mask: Artifact | None = None,
    exclude: Artifact | None = None,
) -> OperationResult:
    """Replace what a mask covers with what fits around it; every other pixel stays as it is."""
    from studio_pipelines.media import inpaint_output as output

    seed = drawn(params.seed)
    choice = params.model_dump(include=set(DiffusionSettings.FIELDS))
    worker = choose_worker(models, params.model, DiffusionSettings(**choice, seed=seed))
    progress.report(0.0, "decoding")
    clicker = Clicker(artifacts, embeddings, gpu, models, progress)
    scope, said = _scope(params, clicker, image, mask, exclude)
    lease = gpu.lease(
        worker.identity.name,
        size_class(scope.window_megapixels, "megapixels"),
        guess_mib=64 + 24 * scope.megapixels + 200 * scope.window_megapixels,
        models=worker.sources,
        device=None if worker.sources else CPU,
        on_wait=partial(progress.report, 0.1, "waiting for memory"),
    )
    with lease, artifacts.scratch() as folder:
        progress.report(0.1, "inpainting")
        started_s = perf_counter()
        done = lease.on_ladder(
            lambda _rung: _fill(scope, params, worker, lease, artifacts, folder, progress)
        )
        infer_s = perf_counter() - started_s
        progress.report(0.7, "encoding")
        encoded = output.write_results(
            scope, done, folder, format=params.format, quality=params.quality
        )
        progress.report(0.9, "verifying")
        verification = output.verification(
            scope, done, params.format, partial(_read, folder / output.PICTURE_NAME, "image")
        )
        kept = {
            name: artifacts.adopt(folder / file, media_type=media_type, filename=file)
            for name, file, media_type in (
                ("image", output.PICTURE_NAME, encoded.media_type.mime),
                ("mask", output.MASK_NAME, PNG.mime),
                ("preview", output.PREVIEW_NAME, PNG.mime),
            )
        }
        preview = artifacts.open(kept["preview"]).read()
    return OperationResult(
        assets=kept,
        metrics={
            "megapixels": scope.megapixels,
            "maskShare": round(float(scope.hole.mean()), 6),
            "windows": done.windows,
            "inferMs": round(1000 * infer_s, 3),
            "seed": worker.settings.seed,
            **lease.describe(),
        },
        verification=verification,
        model=worker.identity,
        preview_png=preview,
        notes=(
            *scope.picture.notes,
            *said,
            *encoded.notes,
            *done.notes,
            *worker.notes(has_exclude=exclude is not None),
        ),
    )


def _fill(
    scope: "Scope",
    params: ImageInpaint,
    worker: InpaintWorker,
    lease: Lease,
    artifacts: ArtifactStore,
    folder: Path,
    progress: Progress,
) -> "Inpainted":
    from studio_pipelines.media.inpaint_output import write_preview
    from studio_pipelines.media.inpainting import inpaint

    def show(colours: Any) -> None:
        path = write_preview(colours, folder)
        step = artifacts.adopt(path, media_type=PNG.mime, filename=path.name)
        progress.report(0.1, "inpainting", preview=step)

    return inpaint(
        scope,
        worker.filler(lease, show),
        feather_px=params.mask_blur,
        report=lambda share: progress.report(0.1 + 0.6 * share, "inpainting"),
    )


def _read(path: Path, field: str) -> "Picture":
    from studio_pipelines.media.shared_decoder import shared_decoder

    return shared_decoder().picture(path, field=field)


def _decode(artifacts: ArtifactStore, artifact: Artifact | None, field: str) -> "Picture | None":
    if artifact is None:
        return None
    with artifacts.local_path(artifact) as path:
        return _read(path, field)


def _scope(
    params: ImageInpaint,
    clicker: Clicker,
    image: Artifact,
    mask: Artifact | None,
    exclude: Artifact | None,
) -> "tuple[Scope, tuple[str, ...]]":
    """Return what is worked on, and what to say of how the mask was made."""
    from studio_pipelines.media.inpaint_mask import Margins
    from studio_pipelines.media.inpaint_scope import Request, scope_of
    from studio_pipelines.media.inpaint_windows import WindowPlan

    if params.points is not None and mask is not None:
        raise InvalidParameter(
            "Both mask and points are given.", field="points", hint="Give one of them."
        )
    artifacts = clicker.artifacts
    picture = _decode(artifacts, image, "image")
    assert picture is not None
    drawn, box, said = _decode(artifacts, mask, "mask"), params.box, ()
    if params.points is not None:
        drawn, sentence = clicker.mask_of(image, picture, params.points, box)
        box, said = None, (sentence,)
    request = Request(
        task=params.task,
        mask=drawn,
        box=box,
        exclude=_decode(artifacts, exclude, "exclude"),
        margins=Margins(**params.extend.model_dump()),
        expand_px=params.mask_expand,
    )
    plan = WindowPlan(params.hd_strategy, params.crop_margin)
    return scope_of(picture, request, plan), said


def _preload() -> None:
    import numpy as np

    from studio_pipelines.media.inpaint_report import seam_score
    from studio_pipelines.media.patch_completion import complete

    # A small hole runs every compiled loop that jobs will need; one thread, for the fork to come.
    colours = np.zeros((64, 64, 3), np.float32)
    hole = np.zeros((64, 64), bool)
    hole[24:40, 24:40] = True
    complete(colours, hole, threads=1)
    seam_score(np.zeros((64, 64, 3), np.uint8), hole)


def _warm_up() -> None:
    from studio_pipelines.media import preview  # noqa: F401  libvips starts a thread on import
    from studio_pipelines.media.shared_decoder import shared_decoder

    shared_decoder().warm()


OPERATION = Operation(
    op=image_inpaint,
    parameters=ImageInpaint,
    route="/retouch/inpaint",
    worker=WORKER,
    lane="image",
    accepts={"image": (Media.IMAGE,), "mask": (Media.IMAGE,), "exclude": (Media.IMAGE,)},
    returns=Media.IMAGE,
    chooses=chosen_models,
    preload=_preload,
    warm_up=_warm_up,
    examples={
        "remove": {
            "image": "asset:ast_0123456789abcdef01234567",
            "mask": "asset:ast_89abcdef0123456701234567",
        },
        "remove what is clicked on": {
            "image": "asset:ast_0123456789abcdef01234567",
            "points": [{"x": 320, "y": 240}],
        },
        "outpaint": {
            "image": "asset:ast_0123456789abcdef01234567",
            "task": "outpaint",
            "extend": {"left": 256, "right": 256},
        },
    },
)
