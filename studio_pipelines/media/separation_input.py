"""A decoded sound as a separation wants it: mono or stereo, at the rate that is asked for."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.audio import AudioClip, Samples
from studio_pipelines.media.audio_blocks import BLOCK_FRAMES
from studio_pipelines.media.audio_chain import ReportShare, Resampler, Stage
from studio_pipelines.media.downmix import Downmix, downmix_matrix
from studio_pipelines.media.loudness import LOWEST_SAMPLE_RATE_HZ
from studio_pipelines.media.sample_store import SampleStore, Sound, SoundInMemory


class _AsStereo:
    """A mono sound on two channels."""

    channels = 2

    def __init__(self, mono: Sound) -> None:
        self._mono = mono
        self.frames = mono.frames

    def read(self, start: int, stop: int) -> Samples:
        """Give (stop - start, 2) float32."""
        return np.repeat(self._mono.read(start, stop), 2, axis=1)


@contextmanager
def programme_of(
    clip: AudioClip, rate_hz: int, folder: Path, report_share: ReportShare | None = None
) -> Generator[Sound]:
    """Give a clip in mono or stereo at a rate; what has to be changed is kept in a scratch file.

    Args:
        clip: 1 to 8 channels.
        rate_hz: The rate wanted.
        folder: Where scratch files go.
        report_share: Called with the share done before each block; may raise to cancel.

    Raises:
        UnusableMedia: It holds NaN or infinity, or its rate is below 8 kHz.
    """
    if clip.has_non_finite:
        raise UnusableMedia(
            "The sound holds NaN or infinite samples.",
            field="audio",
            hint="Export it again from the program that made it.",
        )
    if clip.sample_rate_hz < LOWEST_SAMPLE_RATE_HZ:
        raise UnusableMedia(
            f"The sound has {clip.sample_rate_hz} samples a second; "
            f"at least {LOWEST_SAMPLE_RATE_HZ} are needed.",
            field="audio",
        )
    sound = SoundInMemory(clip.samples)
    stages: list[Stage] = []
    if clip.channels > 2:
        stages.append(Downmix(downmix_matrix(clip.channels, clip.channel_layout)))
    channels = min(clip.channels, 2)
    if rate_hz != clip.sample_rate_hz:
        stages.append(Resampler(clip.sample_rate_hz, rate_hz, channels))
    with _through(sound, stages, channels, folder / "programme", report_share) as programme:
        yield programme


@contextmanager
def as_stereo_at(
    programme: Sound,
    programme_hz: int,
    rate_hz: int,
    folder: Path,
    report_share: ReportShare | None = None,
) -> Generator[Sound]:
    """Give a programme on two channels at another rate.

    Args:
        programme: Mono or stereo.
        programme_hz: Its rate.
        rate_hz: The rate wanted.
        folder: Where scratch files go.
        report_share: Called with the share done before each block; may raise to cancel.
    """
    stages: list[Stage] = []
    if rate_hz != programme_hz:
        stages.append(Resampler(programme_hz, rate_hz, programme.channels))
    heard = _through(programme, stages, programme.channels, folder / "heard", report_share)
    with heard as sound:
        yield sound if sound.channels == 2 else _AsStereo(sound)


@contextmanager
def _through(
    sound: Sound,
    stages: list[Stage],
    channels: int,
    path: Path,
    report_share: ReportShare | None,
) -> Generator[Sound]:
    if not stages:
        yield sound
        return
    with SampleStore(path, channels) as store:
        for start in range(0, sound.frames, BLOCK_FRAMES):
            if report_share:
                report_share(start / sound.frames)
            block = sound.read(start, min(start + BLOCK_FRAMES, sound.frames))
            for stage in stages:
                block = stage.process(block)
            store.append(block)
        # Only the last stage, the resampler, holds frames back.
        store.append(stages[-1].finish())
        yield store
