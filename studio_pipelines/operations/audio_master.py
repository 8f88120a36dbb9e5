"""Bring a programme to a loudness target under a true-peak ceiling."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
from pydantic import Field

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.devices import CPU
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.lease import Lease
from resources.progress import Progress
from studio_pipelines.errors import InvalidParameter, StudioError
from studio_pipelines.media.sniff import PNG, Media
from studio_pipelines.operation import (
    ModelIdentity,
    Operation,
    OperationResult,
    Parameters,
    studio_op,
)

if TYPE_CHECKING:
    from studio_pipelines.media.audio import AudioClip
    from studio_pipelines.media.audio_encoding import AudioEncoding
    from studio_pipelines.media.mastering_plan import MasteringPlan
    from studio_pipelines.media.mastering_target import MasteringSettings
    from studio_pipelines.media.programme import Programme
    from studio_pipelines.media.reference_match import Reference

MODEL = ModelIdentity("studio-master", "2", "Apache-2.0", "builtin")
# Measured; what jobs really use is learned. The sound itself lies in files.
FIRST_GUESS_MIB = 160
# A sound beyond this lies in a scratch file, of which a few blocks at a time are in memory.
IN_MEMORY_BYTES = 128 << 20


class Equaliser(Parameters):
    """Three tone controls; the gain between them is smooth."""

    tilt: float = Field(default=0.0, ge=-2, le=2, description="In dB an octave, about 1 kHz.")
    low: float = Field(default=0.0, ge=-12, le=12, description="In dB, below about 120 Hz.")
    high: float = Field(default=0.0, ge=-12, le=12, description="In dB, above about 8 kHz.")


class AudioMaster(Parameters):
    """What to do to the sound, how loud the master shall be, and how to store it."""

    preset: Literal["streaming", "apple", "podcast", "ebu", "atsc"] | None = Field(
        None, description="Target and ceiling; left out, the reference's loudness, or streaming."
    )
    target_lufs: float | None = Field(
        None, ge=-70, le=-5, description="Integrated loudness in LUFS instead of the preset's."
    )
    true_peak_db: float | None = Field(
        None, ge=-9, le=0, description="True-peak ceiling in dBTP instead of the preset's."
    )
    lra: float | None = Field(
        None, ge=1, le=30, description="Largest loudness range in LU; a wider one is levelled."
    )
    mode: Literal["linear", "dynamic", "auto"] = Field(
        "auto", description="Reach the target by gain only, or level and limit where it must."
    )
    eq: Equaliser = Field(default_factory=Equaliser, description="Tilt, low and high.")
    match: float | None = Field(
        None, ge=0, le=1, description="Share of the reference's tone and width taken over; all."
    )
    compress: float = Field(0.0, ge=0, le=1, description="In three bands: 1 is a ratio of 2.")
    width: float = Field(1.0, ge=0, le=2, description="0 is mono, 1 leaves it as it is.")
    dual_mono: bool = Field(False, description="Count a mono file as played by two loudspeakers.")
    format: Literal["wav", "flac", "mp3", "aac", "opus"] = Field(
        "wav", description="Of the master."
    )
    bit_depth: Literal[16, 24, 32] | None = Field(
        None, description="Bits of wav and flac; 24 when left out, 32 is floating point."
    )
    dither: Literal["tpdf", "none"] | None = Field(
        None, description="Noise against distortion by rounding; left out, tpdf at 16 bits only."
    )
    sample_rate: Literal[44_100, 48_000, 88_200, 96_000, 176_400, 192_000] | None = Field(
        None, description="In Hz; left out, that of the input where the format has it."
    )
    bitrate: int | None = Field(None, ge=8, le=512, description="Of lossy formats, in kbit/s.")
    album_mode: bool = Field(False, description="Bring a list to the target by one gain for all.")


def _album_plan(
    _context: dg.OpExecutionContext,
    params: AudioMaster,
    items: Sequence[Artifact],
    artifacts: ArtifactStore,
    gpu: Gpu,
    progress: Progress,
    reference: Artifact | None = None,
) -> "MasteringPlan | None":
    """Find the gain that all tracks of an album get; a track that is unusable says so later."""
    from studio_pipelines.media.mastering_preparation import plan_album, prepared_track

    if not params.album_mode:
        return None
    encoding, tracks = _encoding(params), list["Programme"]()
    with _lease(gpu, progress, len(items)), artifacts.scratch() as folder:
        matched = _reference(artifacts, reference, params)
        for number, item in enumerate(items, 1):
            progress.report(0.0, f"measuring track {number} of {len(items)}")
            try:
                clip = _decode(artifacts, item, "audio", in_memory_bytes=0)
                settings = _settings(params, clip.channel_layout, matched)
                tracks.append(prepared_track(clip, settings, encoding, folder))
            except StudioError as fault:
                if not fault.is_of_one_item:
                    raise
        progress.report(0.0, "finding the album's gain")
        return plan_album(tracks, _settings(params, "", matched), encoding) if tracks else None


@studio_op(AudioMaster, prepare=_album_plan)
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
    from studio_pipelines.media.mastering import master_file
    from studio_pipelines.media.mastering_account import write_account
    from studio_pipelines.media.mastering_report import metrics, verification

    encoding = _encoding(params)
    progress.report(0.0, "decoding")
    clip = _decode(artifacts, audio, "audio")
    lease = _lease(gpu, progress, clip.samples.size / clip.sample_rate_hz)
    with lease, artifacts.scratch() as folder:
        settings = _settings(params, clip.channel_layout, _reference(artifacts, reference, params))
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


def _encoding(told: AudioMaster) -> "AudioEncoding":
    from studio_pipelines.media.audio_encoding import AudioEncoding

    return AudioEncoding(told.format, told.bit_depth, told.bitrate, told.dither, told.sample_rate)


def _decode(
    artifacts: ArtifactStore, artifact: Artifact, field: str, in_memory_bytes: int = IN_MEMORY_BYTES
) -> "AudioClip":
    from studio_pipelines.media.limits import MediaLimits
    from studio_pipelines.media.shared_decoder import shared_decoder

    limits = MediaLimits(in_memory_bytes=in_memory_bytes)
    with artifacts.local_path(artifact) as path:
        return shared_decoder().audio(path, field=field, limits=limits)


def _reference(
    artifacts: ArtifactStore, reference: Artifact | None, params: AudioMaster
) -> "Reference | None":
    from studio_pipelines.media.reference_match import measure_reference

    if reference is None:
        if params.match is not None:
            raise InvalidParameter("match needs a reference, and there is none", field="reference")
        return None
    clip = _decode(artifacts, reference, "reference")
    return measure_reference(clip.samples, clip.sample_rate_hz, clip.channel_layout)


def _settings(
    params: AudioMaster, channel_layout: str, reference: "Reference | None" = None
) -> "MasteringSettings":
    from studio_pipelines.media.equaliser import ToneControls
    from studio_pipelines.media.mastering_target import MasteringSettings, target_of
    from studio_pipelines.media.shaping import Shaping

    tone = ToneControls(params.eq.tilt, params.eq.low, params.eq.high)
    match = 1.0 if params.match is None else params.match
    shaping = Shaping(tone, reference, match, params.compress, params.width)
    target = target_of(
        params.preset, params.target_lufs, params.true_peak_db, params.lra, reference
    )
    return MasteringSettings(target, params.mode, params.dual_mono, channel_layout, shaping)


def _preload() -> None:
    import numpy as np

    from studio_pipelines.media import audio_plots  # noqa: F401  matplotlib is slow to import
    from studio_pipelines.media.mastering import master

    # A second of loud noise runs every compiled kernel once, the limiter's too.
    noise = np.random.default_rng(0).uniform(-1, 1, (48_000, 2)).astype(np.float32)
    loud = AudioMaster.model_validate({"targetLufs": -5, "compress": 0.5})
    master(noise, 48_000, _settings(loud, "stereo"))


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
