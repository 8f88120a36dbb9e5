"""Segment a picture: masks by clicks, a box or a mask, of its subject, or of everything in it."""

from collections.abc import Set
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.embedding_cache import EmbeddingCache
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.model_shelf import ModelShelf
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.kept_files import keep_files
from studio_pipelines.media.sniff import PNG, Media
from studio_pipelines.model_choice import ChosenModel
from studio_pipelines.operation import ModelIdentity, Operation, OperationResult, studio_op
from studio_pipelines.segmenting import results
from studio_pipelines.segmenting.finding import (
    Findings,
    Meant,
    find_all,
    find_meant,
    find_subject,
    what_is_meant,
)
from studio_pipelines.segmenting.network import (
    WORKER,
    choose_network,
    first_guess_mib,
    network_source,
)
from studio_pipelines.segmenting.parameters import MaskSegment, require_what_fits
from studio_pipelines.segmenting.sight import Sight

if TYPE_CHECKING:
    from studio_pipelines.media.picture import Picture


@studio_op(MaskSegment)
def mask_segment(
    _context: dg.OpExecutionContext,
    params: MaskSegment,
    image: Artifact,
    artifacts: ArtifactStore,
    embeddings: EmbeddingCache,
    gpu: Gpu,
    models: ModelStore,
    progress: Progress,
    mask: Artifact | None = None,
) -> OperationResult:
    """Find what clicks, a box or a rough mask mean in a picture, its subject, or all it shows."""
    require_what_fits(params, mask)
    network = choose_network(models.shelf, params.model, subject=params.subject)
    source = network_source(network)
    progress.report(0.0, "decoding")
    sight = Sight(artifacts, embeddings, network, image)
    meant = None
    if not (params.auto or params.subject):
        meant = what_is_meant(sight, params.points, params.box, _decoded(artifacts, mask))
    lease = gpu.lease(
        network.name,
        size_class(sight.megapixels, "megapixels"),
        guess_mib=first_guess_mib(network, sight.megapixels),
        models=(source,),
        on_wait=partial(progress.report, 0.1, "waiting for memory"),
    )
    with lease, artifacts.scratch() as folder:
        progress.report(0.1, "segmenting")
        found, find_s = lease.on_ladder(
            lambda _rung: _find(sight, lease.model(source), params, meant, progress)
        )
        progress.report(0.7, "encoding")
        files = results.write_masks(params, sight, found.segments, folder)
        preview = results.overlay(sight, found, meant)
        files["preview"] = (folder / "preview.png", PNG.mime)
        files["preview"][0].write_bytes(preview)
        progress.report(1.0, "storing")
        kept = keep_files(artifacts, files)
    return OperationResult(
        assets=kept,
        metrics={
            "megapixels": sight.megapixels,
            "masks": results.records(found.segments),
            "embeddingCached": sight.encodings == 0,
            "encodeMs": round(1000 * sight.encode_s, 1),
            "decodeMs": round(1000 * (find_s - sight.encode_s), 1),
            **lease.describe(),
        },
        verification=results.verification(found.segments, meant),
        model=ModelIdentity.of(network),
        preview_png=preview,
        notes=(*sight.notes, *results.notes(sight, found)),
    )


def _find(
    sight: Sight,
    model: Any,
    params: MaskSegment,
    meant: Meant | None,
    progress: Progress,
) -> tuple[Findings, float]:
    """Return what was found, and the seconds that it took."""
    started_s = perf_counter()
    if params.subject:
        found = find_subject(sight, model, params.min_area)
    elif meant is None:
        found = find_all(
            sight, model, params, lambda share: progress.report(0.1 + 0.6 * share, "segmenting")
        )
    else:
        found = find_meant(sight, model, meant, several=params.multimask, least_px=params.min_area)
    return found, perf_counter() - started_s


def _decoded(artifacts: ArtifactStore, mask: Artifact | None) -> "Picture | None":
    from studio_pipelines.media.shared_decoder import shared_decoder

    if mask is None:
        return None
    with artifacts.local_path(mask) as path:
        return shared_decoder().picture(path, field="mask")


def _models(params: MaskSegment, _given: Set[str], shelf: ModelShelf) -> tuple[ChosenModel, ...]:
    return (ChosenModel.of(choose_network(shelf, params.model, subject=params.subject)),)


def _preload() -> None:
    import numpy as np
    import onnxruntime  # noqa: F401  slow to import

    from studio_pipelines.media.logit_grid import region_of
    from studio_pipelines.media.segment_frame import Frame, Window

    region_of(np.ones((4, 4), np.float32), Frame(Window(0, 0, 8, 8), 16, keeps_shape=True), 8, 8)


def _warm_up() -> None:
    from studio_pipelines.media import seen_picture  # noqa: F401  libvips starts a thread on import
    from studio_pipelines.media.shared_decoder import shared_decoder

    shared_decoder().warm()


OPERATION = Operation(
    op=mask_segment,
    parameters=MaskSegment,
    route="/segment/mask",
    worker=WORKER,
    lane="image",
    accepts={"image": (Media.IMAGE,), "mask": (Media.IMAGE,)},
    returns=Media.IMAGE,
    chooses=_models,
    preload=_preload,
    warm_up=_warm_up,
    examples={
        "a click": {
            "image": "asset:ast_0123456789abcdef01234567",
            "points": [{"x": 320, "y": 240}],
        },
        "a box, and a click outside": {
            "image": "asset:ast_0123456789abcdef01234567",
            "box": [120, 80, 410, 390],
            "points": [{"x": 300, "y": 370, "label": 0}],
        },
        "everything": {
            "image": "asset:ast_0123456789abcdef01234567",
            "auto": True,
            "format": "rle",
        },
    },
)
