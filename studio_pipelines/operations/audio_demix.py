"""Separate a song into stems: voice, accompaniment, drums, bass and the rest."""

from collections.abc import Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import dagster as dg
from pydantic import Field

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.memory_ladder import Rung
from resources.model_cache import ModelSource
from resources.model_folder import InstalledModel
from resources.model_shelf import ModelShelf
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.media.sniff import PNG, Media
from studio_pipelines.model_choice import ChosenModel
from studio_pipelines.operation import (
    ModelIdentity,
    Operation,
    OperationResult,
    Parameters,
    studio_op,
)
from studio_pipelines.seeds import Seed, drawn

if TYPE_CHECKING:
    from studio_pipelines.media.audio import AudioClip
    from studio_pipelines.media.demixing import Demix
    from studio_pipelines.media.stem_files import DemixSettings
    from studio_pipelines.models.stem_engines import Tuning

WORKER = "audio-demixer"
# Beside the model and the decoded samples, measured; what jobs really use is learned.
FIRST_GUESS_MIB = 500
FIRST_GUESS_MIB_PER_CHANNEL_SECOND = 0.2

StemName = Annotated[str, Field(min_length=1, max_length=32)]


class AudioDemix(Parameters):
    """Which stems to make, and how to store them."""

    model: str = Field("auto", description="Name of an installed model, or the best that is there.")
    stems: Annotated[int, Field(ge=2, le=16)] | list[StemName] | None = Field(
        None,
        description="How many stems, or which; the first one is the main result. Left out: those "
        "that the model was made for. spleeter-2stems: 2 (vocals, accompaniment) or 4 (vocals, "
        "drums, bass, other; the last three by masks).",
    )
    two_stems: StemName | None = Field(
        None, description="One stem, and beside it the song without that stem."
    )
    shifts: int | None = Field(
        None,
        ge=0,
        le=20,
        description="Demucs: how many randomly shifted predictions are averaged; 1 when left out.",
    )
    overlap: float | None = Field(
        None, ge=0, lt=1, description="Demucs: overlap of its segments; 0.25 when left out."
    )
    segment: float | None = Field(
        None, gt=0, le=60, description="Demucs: length of its segments in seconds."
    )
    seed: Seed = Field(0, description="Of the random shifts; random draws one.")
    format: Literal["wav16", "wav24", "float32", "flac", "mp3"] = Field(
        "wav24", description="Format of the stems; wav16, wav24 and float32 are WAV files."
    )
    bitrate: int | None = Field(None, ge=8, le=320, description="Of mp3, in kbit/s.")
    clip_mode: Literal["rescale", "clamp", "none"] = Field(
        "rescale",
        description="Stems beyond full scale: lower all by the same gain, or cut off; float32 "
        "holds them, and only clamp cuts there.",
    )
    sample_rate: Literal["keep", 44100, 48000] = Field(
        "keep", description="Of the stems, in samples a second."
    )


@studio_op(AudioDemix)
def audio_demix(
    _context: dg.OpExecutionContext,
    params: AudioDemix,
    audio: Artifact,
    artifacts: ArtifactStore,
    gpu: Gpu,
    models: ModelStore,
    progress: Progress,
) -> OperationResult:
    """Separate a song into stems that add up to it, each with a picture."""
    from studio_pipelines.media import demix_report
    from studio_pipelines.media.shared_decoder import shared_decoder
    from studio_pipelines.models.stem_engines import Tuning, window_sizes

    installed = models.choose(WORKER, params.model)
    tuning = Tuning(params.shifts, params.overlap, params.segment, drawn(params.seed))
    tiles = window_sizes(installed.declaration.engine, installed.name, tuning)
    settings = _settings(params)
    progress.report(0.0, "decoding")
    with artifacts.local_path(audio) as path:
        clip = shared_decoder().audio(path, field="audio")
    source = ModelSource.of(installed, partial(_load, installed))
    channel_seconds = clip.samples.size / clip.sample_rate_hz
    lease = gpu.lease(
        installed.name,
        size_class(channel_seconds, "channel-seconds"),
        guess_mib=FIRST_GUESS_MIB + FIRST_GUESS_MIB_PER_CHANNEL_SECOND * channel_seconds,
        models=(source,),
        on_wait=partial(progress.report, 0.0, "waiting for memory"),
    )
    with lease, artifacts.scratch() as folder:
        work = _Work(params, installed, tuning, clip, settings, folder, progress)
        demix = lease.on_ladder(lambda rung: work.do(lease.model(source), rung), tiles=tiles)
        progress.report(1.0, "storing")
        assets = _store(artifacts, folder, demix, settings.encoding.media_type)
    return OperationResult(
        assets=assets,
        metrics={
            "audioSeconds": clip.duration_s,
            **demix_report.metrics(demix),
            "seed": tuning.seed,
            **lease.describe(),
        },
        verification=demix_report.verification(demix),
        model=ModelIdentity.of(installed),
        preview_png=next(iter(demix.written.pictures.values())),
        notes=demix_report.notes(clip, demix, settings),
    )


@dataclass(frozen=True)
class _Work:
    """What stays the same however often memory makes it start over."""

    params: AudioDemix
    installed: InstalledModel
    tuning: "Tuning"
    clip: "AudioClip"
    settings: "DemixSettings"
    folder: Path
    progress: Progress

    def do(self, model: Any, rung: Rung) -> "Demix":
        from studio_pipelines.media.demixing import demix_file
        from studio_pipelines.media.separation import plan_stems
        from studio_pipelines.models.stem_engines import separation_by

        engine = self.installed.declaration.engine
        separation = separation_by(engine, model, self.tuning, rung.tile)
        plan = plan_stems(separation.offer, self.params.stems, self.params.two_stems)
        return demix_file(
            self.clip,
            separation,
            plan,
            self.settings,
            self.folder,
            report_progress=self.progress.report,
        )


def _settings(params: AudioDemix) -> "DemixSettings":
    from studio_pipelines.media.audio_encode import AudioEncoding
    from studio_pipelines.media.stem_files import DemixSettings

    bits = {"wav16": 16, "wav24": 24, "float32": 32}.get(params.format)
    kind: Any = params.format if bits is None else "wav"
    rate_hz = None if params.sample_rate == "keep" else params.sample_rate
    return DemixSettings(AudioEncoding(kind, bits, params.bitrate), params.clip_mode, rate_hz)


def _load(installed: InstalledModel, device: str, _precision: str) -> Any:
    from studio_pipelines.models import stem_engines

    said = installed.declaration
    return stem_engines.load(said.engine, said.name, installed.folder, said.options, device)


def _store(
    artifacts: ArtifactStore, folder: Path, demix: "Demix", media_type: str
) -> dict[str, Artifact]:
    """Store the stems, in their order, and after them their pictures."""
    kept = {
        name: artifacts.adopt(path, media_type=media_type, filename=path.name)
        for name, path in demix.written.files.items()
    }
    for name, png in demix.written.pictures.items():
        picture = folder / f"{name}.png"
        picture.write_bytes(png)
        kept[f"{name}Picture"] = artifacts.adopt(
            picture, media_type=PNG.mime, filename=picture.name
        )
    return kept


def _models(params: AudioDemix, _given: Set[str], shelf: ModelShelf) -> tuple[ChosenModel, ...]:
    return (ChosenModel.of(shelf.choose(WORKER, params.model)),)


def _preload() -> None:
    import numpy as np

    from studio_pipelines.media import stem_plots  # noqa: F401  matplotlib is slow to import
    from studio_pipelines.media.accompaniment_split import accompaniment_masks
    from studio_pipelines.media.loudness import measure
    from studio_pipelines.models import (  # noqa: F401  torch is slow to import
        demucs_separation,
        spleeter_separation,
    )

    # Compiled kernels: the medians of the masks, and the loudness meter.
    accompaniment_masks(np.ones((64, 64), np.float32), 10.0, 0.02)
    measure(np.zeros((48_000, 2), np.float32), 48_000)


def _warm_up() -> None:
    from studio_pipelines.media.shared_decoder import shared_decoder

    shared_decoder().warm()


OPERATION = Operation(
    op=audio_demix,
    parameters=AudioDemix,
    route="/audio/demix",
    worker=WORKER,
    lane="audio",
    accepts={"audio": (Media.AUDIO, Media.VIDEO)},
    returns=Media.AUDIO,
    chooses=_models,
    preload=_preload,
    warm_up=_warm_up,
    examples={
        "vocals and accompaniment": {"audio": "asset:ast_0123456789abcdef01234567", "stems": 2},
        "karaoke": {"audio": "asset:ast_0123456789abcdef01234567", "twoStems": "vocals"},
    },
)
