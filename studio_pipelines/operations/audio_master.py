"""Bring a programme to a loudness target under a true-peak ceiling."""

from collections.abc import Sequence, Set
from functools import partial
from typing import Any

import dagster as dg

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.devices import CPU
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.lease import Lease
from resources.model_shelf import ModelShelf
from resources.progress import Progress
from studio_pipelines.mastering.parameters import AudioMaster, encoding_of, settings_of
from studio_pipelines.media.sniff import PNG, Media
from studio_pipelines.model_choice import ChosenModel
from studio_pipelines.operation import (
    ModelIdentity,
    Operation,
    OperationResult,
    studio_op,
)

MODEL = ModelIdentity("studio-master", "2", "Apache-2.0", "builtin")
# Measured; what jobs really use is learned. The sound itself lies in files.
FIRST_GUESS_MIB = 160


def _album(
    _context: dg.OpExecutionContext,
    params: AudioMaster,
    items: Sequence[Artifact],
    artifacts: ArtifactStore,
    gpu: Gpu,
    progress: Progress,
    reference: Artifact | None = None,
) -> Any:
    from studio_pipelines.mastering.material import album_plan, measured_reference

    if not params.album_mode:
        return None
    with _lease(gpu, progress, len(items)), artifacts.scratch() as folder:
        matched = measured_reference(artifacts, reference, params)
        return album_plan(artifacts, items, params, matched, folder, progress)


@studio_op(AudioMaster, prepare=_album)
def audio_master(
    _context: dg.OpExecutionContext,
    params: AudioMaster,
    audio: Artifact,
    artifacts: ArtifactStore,
    gpu: Gpu,
    progress: Progress,
    shared: Any,
    reference: Artifact | None = None,
) -> OperationResult:
    """Master a song: tone and loudness as asked for, true peak under the ceiling, measured."""
    from studio_pipelines.mastering.material import decoded, measured_reference
    from studio_pipelines.media.mastering import master_file
    from studio_pipelines.media.mastering_account import write_account
    from studio_pipelines.media.mastering_report import metrics, verification

    encoding = encoding_of(params)
    progress.report(0.0, "decoding")
    clip = decoded(artifacts, audio, "audio")
    lease = _lease(gpu, progress, clip.samples.size / clip.sample_rate_hz)
    with lease, artifacts.scratch() as folder:
        matched = measured_reference(artifacts, reference, params)
        settings = settings_of(params, clip.channel_layout, matched)
        file = folder / f"master.{encoding.extension}"
        mastering = master_file(
            clip.samples,
            clip.sample_rate_hz,
            clip.tags,
            settings,
            encoding,
            file,
            album=shared,
            report_progress=progress.report,
        )
        progress.report(1.0, "storing")
        told = metrics(mastering, write_account(folder, mastering, clip, file))
        preview = (folder / "loudness.png").read_bytes()
        kept = {
            name: artifacts.adopt(folder / filename, media_type=media_type, filename=filename)
            for name, filename, media_type in (
                ("master", file.name, encoding.media_type),
                ("loudness", "loudness.png", PNG.mime),
                ("spectrum", "spectrum.png", PNG.mime),
                ("report", "report.json", "application/json"),
            )
        }
    return OperationResult(
        assets=kept,
        metrics={"audioSeconds": clip.duration_s, **told, **lease.describe()},
        verification=verification(mastering),
        model=MODEL,
        preview_png=preview,
        notes=clip.notes,
    )


def _lease(gpu: Gpu, progress: Progress, work: float) -> Lease:
    return gpu.lease(
        MODEL.name,
        size_class(work, "channel-seconds"),
        guess_mib=FIRST_GUESS_MIB,
        device=CPU,
        on_wait=partial(progress.report, 0.0, "waiting for memory"),
    )


def _models(_params: AudioMaster, _given: Set[str], _shelf: ModelShelf) -> tuple[ChosenModel, ...]:
    return (ChosenModel(MODEL),)


def _preload() -> None:
    import numpy as np

    from studio_pipelines.media import audio_plots  # noqa: F401  matplotlib is slow to import
    from studio_pipelines.media.mastering import master

    # A second of loud noise runs every compiled kernel once, the limiter's too.
    noise = np.random.default_rng(0).uniform(-1, 1, (48_000, 2)).astype(np.float32)
    loud = AudioMaster.model_validate({"targetLufs": -5, "compress": 0.5})
    master(noise, 48_000, settings_of(loud, "stereo"))


def _warm_up() -> None:
    from studio_pipelines.media.shared_decoder import shared_decoder

    shared_decoder().warm()


OPERATION = Operation(
    op=audio_master,
    parameters=AudioMaster,
    route="/audio/master",
    worker="audio-master",
    lane="audio",
    accepts={"audio": (Media.AUDIO, Media.VIDEO), "reference": (Media.AUDIO, Media.VIDEO)},
    returns=Media.AUDIO,
    version="2",
    chooses=_models,
    preload=_preload,
    warm_up=_warm_up,
    examples={
        "streaming": {"audio": "asset:ast_0123456789abcdef01234567", "preset": "streaming"},
        "matched": {
            "audio": "asset:ast_0123456789abcdef01234567",
            "reference": "asset:ast_76543210fedcba9876543210",
        },
    },
)
