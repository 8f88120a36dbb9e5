"""Measure a sound file that was just written, as a listener's decoder gives it back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import soundfile  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from studio_pipelines.media.audio_blocks import BLOCK_FRAMES
from studio_pipelines.media.k_weighting import channel_weights
from studio_pipelines.media.loudness import Loudness, LoudnessMeter

Block = NDArray[np.float32]
_LOSSLESS_SIGNATURES = (b"RIFF", b"RF64", b"fLaC")


def measure_file(
    path: Path,
    *,
    channel_layout: str = "",
    dual_mono: bool = False,
    report_progress: Callable[[float], None] | None = None,
) -> Loudness:
    """Decode and measure a file of our own making, in blocks.

    It runs in this process and trusts the file; what comes from outside belongs in the decoder.

    Args:
        path: A file that ``AudioEncoder`` wrote.
        channel_layout: See ``channel_weights``.
        dual_mono: See ``channel_weights``.
        report_progress: Called with the share done, 0 to 1, before each block; may raise to cancel.
    """
    rate, channels, frames, blocks = decoded_blocks(path)
    meter = LoudnessMeter(rate, channel_weights(channels, channel_layout, dual_mono=dual_mono))
    done = 0
    for block in blocks:
        if report_progress:
            report_progress(min(1.0, done / max(1, frames)))
        meter.update(block)
        done += len(block)
    return meter.result()


def decoded_blocks(path: Path) -> tuple[int, int, int, Iterator[Block]]:
    """Open a file of our own making.

    Returns:
        The sample rate, the channels, the frames (about, of lossy formats), and the samples in
        blocks of (frames, channels) float32.
    """
    with path.open("rb") as file:
        is_lossless = file.read(4) in _LOSSLESS_SIGNATURES
    # libsndfile is several times faster, but reads no MP4 and gives surround Opus in Vorbis' order.
    return _open_lossless(path) if is_lossless else _open_lossy(path)


def _open_lossless(path: Path) -> tuple[int, int, int, Iterator[Block]]:
    about = soundfile.info(path)
    return about.samplerate, about.channels, about.frames, _lossless_blocks(path)


def _lossless_blocks(path: Path) -> Iterator[Block]:
    for block in soundfile.blocks(path, BLOCK_FRAMES, dtype="float32", always_2d=True):
        yield np.asarray(block, np.float32)


def _open_lossy(path: Path) -> tuple[int, int, int, Iterator[Block]]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = (container.duration or 0) * stream.rate // av.time_base
        return stream.rate, stream.channels, frames, _lossy_blocks(path)


def _lossy_blocks(path: Path) -> Iterator[Block]:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt")
        waiting: list[Block] = []
        for frame in container.decode(audio=0):
            for packed in resampler.resample(frame):
                samples = packed.to_ndarray().reshape(packed.samples, -1)
                waiting.append(samples.astype(np.float32, copy=False))
            if sum(map(len, waiting)) >= BLOCK_FRAMES:
                yield np.concatenate(waiting)
                waiting = []
        if waiting:
            yield np.concatenate(waiting)
