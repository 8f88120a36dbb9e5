"""Bring a programme to a loudness target under a true-peak ceiling."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import dagster as dg
from pydantic import Field

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.devices import CPU
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.progress import Progress
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
    from studio_pipelines.media.mastering import Mastering
    from studio_pipelines.media.mastering_target import MasteringSettings

MODEL = ModelIdentity("studio-master", "1", "Apache-2.0", "builtin")
# At 48 kHz, beside the decoded samples, measured; what jobs really use is learned.
FIRST_GUESS_MIB = 32
FIRST_GUESS_MIB_PER_CHANNEL_SECOND = 0.25


class AudioMaster(Parameters):
    """How loud the master shall be, and how to store it."""

    preset: Literal["streaming", "apple", "podcast", "ebu", "atsc"] = Field(
        "streaming", description="Target and ceiling by where the master will be heard."
    )
    target_lufs: float | None = Field(
        None, ge=-70, le=-5, description="Integrated loudness in LUFS instead of the preset's."
    )
    true_peak_db: float | None = Field(
        None, ge=-9, le=0, description="True-peak ceiling in dBTP instead of the preset's."
    )
    mode: Literal["linear", "dynamic", "auto"] = Field(
        "auto", description="Gain only, or gain and limiter; auto limits only where it must."
    )
    dual_mono: bool = Field(False, description="Count a mono file as played by two loudspeakers.")
    format: Literal["wav", "flac", "mp3", "aac", "opus"] = Field(
        "wav", description="Format of the master."
    )
    bit_depth: Literal[16, 24, 32] | None = Field(
        None, description="Bits of wav and flac; 24 when left out, 32 is floating point."
    )
    bitrate: int | None = Field(None, ge=8, le=512, description="Of lossy formats, in kbit/s.")


@studio_op(AudioMaster)
def audio_master(
    _context: dg.OpExecutionContext,
    params: AudioMaster,
    audio: Artifact,
    artifacts: ArtifactStore,
    gpu: Gpu,
    progress: Progress,
) -> OperationResult:
    """Master a song: loudness to the target, true peak under the ceiling, measured on the file."""
    from studio_pipelines.media.audio_encode import AudioEncoding
    from studio_pipelines.media.mastering import master_file
    from studio_pipelines.media.mastering_report import metrics, report, verification
    from studio_pipelines.media.shared_decoder import shared_decoder

    encoding = AudioEncoding(params.format, params.bit_depth, params.bitrate)
    progress.report(0.0, "decoding")
    with artifacts.local_path(audio) as path:
        clip = shared_decoder().audio(path, field="audio")
    channel_seconds = clip.samples.size / clip.sample_rate_hz
    lease = gpu.lease(
        MODEL.name,
        size_class(channel_seconds, "channel-seconds"),
        guess_mib=FIRST_GUESS_MIB + FIRST_GUESS_MIB_PER_CHANNEL_SECOND * channel_seconds,
        device=CPU,
        on_wait=partial(progress.report, 0.0, "waiting for memory"),
    )
    with lease, artifacts.scratch() as folder:
        file = folder / f"master.{encoding.extension}"
        mastering = master_file(
            clip.samples,
            clip.sample_rate_hz,
            clip.tags,
            _settings(params, clip.channel_layout),
            encoding,
            file,
            report_progress=progress.report,
        )
        progress.report(1.0, "storing")
        (folder / "report.json").write_text(json.dumps(report(mastering)))
        _draw(folder, mastering, clip, file)
        preview = (folder / "loudness.png").read_bytes()
        kept = {
            name: artifacts.adopt(path, media_type=media_type, filename=path.name)
            for name, path, media_type in (
                ("master", file, encoding.media_type),
                ("loudness", folder / "loudness.png", PNG.mime),
                ("spectrum", folder / "spectrum.png", PNG.mime),
                ("report", folder / "report.json", "application/json"),
            )
        }
    return OperationResult(
        assets=kept,
        metrics={"audioSeconds": clip.duration_s, **metrics(mastering), **lease.describe()},
        verification=verification(mastering),
        model=MODEL,
        preview_png=preview,
        notes=clip.notes,
    )


def _draw(folder: Path, mastering: "Mastering", clip: "AudioClip", file: Path) -> None:
    """Draw loudness and spectrum of the programme and of the encoded master."""
    from studio_pipelines.media.audio_plots import loudness_plot, spectrum_plot
    from studio_pipelines.media.encoded_loudness import decoded_blocks
    from studio_pipelines.media.loudness import BLOCK_FRAMES
    from studio_pipelines.media.spectrum import third_octave_spectrum

    curves = loudness_plot(mastering.before, mastering.after, mastering.settings.target)
    (folder / "loudness.png").write_bytes(curves)
    starts = range(0, clip.frames, BLOCK_FRAMES)
    heard = (clip.samples[start : start + BLOCK_FRAMES] for start in starts)
    before = third_octave_spectrum(heard, clip.sample_rate_hz)
    rate_hz, _, _, blocks = decoded_blocks(file)
    after = third_octave_spectrum(blocks, rate_hz)
    (folder / "spectrum.png").write_bytes(spectrum_plot(before, after))


def _settings(params: AudioMaster, channel_layout: str) -> "MasteringSettings":
    from studio_pipelines.media.mastering_target import (
        PRESETS,
        MasteringSettings,
        MasteringTarget,
    )

    preset = PRESETS[params.preset]
    target_lufs = preset.target_lufs if params.target_lufs is None else params.target_lufs
    true_peak_db = preset.true_peak_db if params.true_peak_db is None else params.true_peak_db
    target = MasteringTarget(target_lufs, true_peak_db)
    return MasteringSettings(target, params.mode, params.dual_mono, channel_layout)


def _preload() -> None:
    import numpy as np

    from studio_pipelines.media import audio_plots  # noqa: F401  matplotlib is slow to import
    from studio_pipelines.media.mastering import master

    # A second of loud noise runs every compiled kernel once, the limiter's too.
    noise = np.random.default_rng(0).uniform(-1, 1, (48_000, 2)).astype(np.float32)
    master(noise, 48_000, _settings(AudioMaster.model_validate({"targetLufs": -5}), "stereo"))


def _warm_up() -> None:
    from studio_pipelines.media.shared_decoder import shared_decoder

    shared_decoder().warm()


OPERATION = Operation(
    op=audio_master,
    parameters=AudioMaster,
    route="/audio/master",
    worker="audio-master",
    lane="audio",
    accepts={"audio": (Media.AUDIO, Media.VIDEO)},
    returns=Media.AUDIO,
    preload=_preload,
    warm_up=_warm_up,
    examples={"streaming": {"audio": "asset:ast_0123456789abcdef01234567", "preset": "streaming"}},
)
