"""Write separated stems to files, all with one gain, and draw them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from studio_pipelines.media.audio import Samples
from studio_pipelines.media.audio_blocks import BLOCK_FRAMES
from studio_pipelines.media.audio_chain import ReportShare
from studio_pipelines.media.audio_encode import AudioEncoder, AudioEncoding
from studio_pipelines.media.sample_store import SampleStore
from studio_pipelines.media.stem_plots import stem_picture

ClipMode = Literal["rescale", "clamp", "none"]


@dataclass(frozen=True)
class DemixSettings:
    """How the stems are stored.

    Attributes:
        encoding: Format of the files.
        clip_mode: What is done about stems beyond full scale where the format ends there:
            ``rescale`` lowers all by the same gain, ``clamp`` and ``none`` cut them off; in a float
            format ``clamp`` cuts and the others leave them as they are.
        sample_rate_hz: Rate of the files, or None for the source's own.
    """

    encoding: AudioEncoding
    clip_mode: ClipMode = "rescale"
    sample_rate_hz: int | None = None


@dataclass(frozen=True)
class WrittenStems:
    """Stems as files.

    Attributes:
        files: By name, the main one first.
        pictures: Waveform and spectrogram of each, PNG.
        gain: Factor that all stems were multiplied by.
        clipped_samples: Samples cut off at full scale, over all files.
    """

    files: dict[str, Path]
    pictures: dict[str, bytes]
    gain: float
    clipped_samples: int


def write_stems(
    stores: dict[str, SampleStore],
    rate_hz: int,
    tags: dict[str, str],
    settings: DemixSettings,
    folder: Path,
    report_share: ReportShare | None = None,
) -> WrittenStems:
    """Encode stems and draw them.

    Args:
        stores: The stems by name, of the same length and channels.
        rate_hz: Their rate, one that the format has.
        tags: Title, artist and so on, for all files.
        settings: How to store them.
        folder: Where the files go, ``<name>.<extension>``.
        report_share: Called with the share done before each block; may raise to cancel.

    Raises:
        InvalidParameter: The format cannot hold that.
    """
    gain = _gain(stores, settings)
    files: dict[str, Path] = {}
    pictures: dict[str, bytes] = {}
    clipped = 0
    for n, (name, store) in enumerate(stores.items()):
        files[name] = folder / f"{name}.{settings.encoding.extension}"
        with AudioEncoder(
            files[name],
            settings.encoding,
            rate_hz,
            store.channels,
            tags=tags,
            frames=store.frames,
        ) as encoder:
            for start in range(0, store.frames, BLOCK_FRAMES):
                if report_share:
                    report_share((n + start / store.frames) / len(stores))
                block = store.read(start, min(start + BLOCK_FRAMES, store.frames))
                clipped += _fit(block, gain, settings)
                encoder.write(block)
        pictures[name] = stem_picture(store, rate_hz, name)
    return WrittenStems(files, pictures, gain, clipped)


def _gain(stores: dict[str, SampleStore], settings: DemixSettings) -> float:
    """Give one factor for all stems: their sum stays the sound."""
    if settings.clip_mode != "rescale" or settings.encoding.bit_depth == 32:
        return 1.0
    highest = 1 - 2 * settings.encoding.quantisation_step
    peak = max(store.peak for store in stores.values())
    return min(1.0, highest / peak) if peak > 0 else 1.0


def _fit(block: Samples, gain: float, settings: DemixSettings) -> int:
    """Apply the gain in place, cut off where that is to be; give how many samples were cut."""
    if gain != 1.0:
        block *= np.float32(gain)
    if settings.encoding.bit_depth == 32 and settings.clip_mode != "clamp":
        return 0
    beyond = int(np.count_nonzero(np.abs(block) > 1))
    if beyond:
        np.clip(block, -1, 1, out=block)
    return beyond
