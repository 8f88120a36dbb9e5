"""Spleeter at work on a sound of any length: windows that overlap by all that a result depends on.

The networks look 384 frames to either side, and what is farther away than 192 changes a result by
less than -120 dB (measured on music). So each window is computed with 192 frames more on both
sides, and its middle is what the whole sound at once would have given: no seam, nothing to fade.
"""

from collections.abc import Iterator
from math import ceil, sqrt

import numpy as np
import torch
from torch import Tensor

from studio_pipelines.media.accompaniment_split import accompaniment_masks
from studio_pipelines.media.audio_blocks import BLOCK_FRAMES
from studio_pipelines.media.audio_chain import ReportShare
from studio_pipelines.media.sample_store import Sound, read_padded
from studio_pipelines.media.separation import StemFamily, StemOffer, Stems
from studio_pipelines.models.spleeter import (
    BINS,
    FRAME_STEP,
    SAMPLE_RATE_HZ,
    TRAINED_FRAMES,
    Spleeter,
)

VOCALS = "vocals"
OFFER = StemOffer(
    model="spleeter-2stems",
    families=(
        StemFamily((VOCALS,), "accompaniment"),
        StemFamily((VOCALS, "drums", "bass"), "other"),
    ),
    separable=(VOCALS, "drums", "bass", "other"),
    made_by={
        "drums": "percussive mask on the accompaniment",
        "bass": "low harmonic mask on the accompaniment",
        "other": "what the masks leave of the accompaniment",
    },
)
CONTEXT_FRAMES = 192
# With its context a window has 960 frames: glibc maps each larger activation anew, which costs more
# than computing the context of another window (measured: 16 times real time a core, 11 at 1536).
WINDOW_FRAMES = 576
# The networks tell voices best at the level of finished records; measured, 24 dB off costs 2 dB.
HEARD_RMS = 0.12
MOST_GAIN = 1000.0
_SIZE = 4096
_HOP = 1024
_PARTS = _SIZE // _HOP


class SpleeterSeparation:
    """Separates by the networks' mask, and divides the accompaniment by masks without a network.

    Args:
        model: The networks, in evaluation mode.
        window_frames: Transform frames a window, without the context; a multiple of 64.
    """

    sample_rate_hz = SAMPLE_RATE_HZ
    offer = OFFER

    def __init__(self, model: Spleeter, *, window_frames: int = WINDOW_FRAMES) -> None:
        self._model = model
        self._window_frames = window_frames
        self._device = next(model.parameters()).device
        self._hann = torch.hann_window(_SIZE, device=self._device)

    def separate(
        self, sound: Sound, stems: tuple[str, ...], report_share: ReportShare | None = None
    ) -> Iterator[Stems]:
        """Give the stems, block after block; see ``Separation``."""
        level = _level_gain(sound)
        frames = max(TRAINED_FRAMES, ceil((sound.frames // _HOP + 1) / FRAME_STEP) * FRAME_STEP)
        for first in range(0, ceil(sound.frames / _HOP), self._window_frames):
            if report_share:
                report_share(first * _HOP / sound.frames)
            last = min(first + self._window_frames, frames)
            from_frame = max(0, first - CONTEXT_FRAMES)
            to_frame = min(last + CONTEXT_FRAMES, frames)
            start = from_frame * _HOP - _SIZE // 2
            stop = (to_frame - 1) * _HOP + _SIZE // 2
            samples = torch.from_numpy(read_padded(sound, start, stop).T).to(self._device)
            spectra = self._separated(samples, level, stems)
            length = min(last * _HOP, sound.frames) - first * _HOP
            yield {
                name: self._inverse(spectrum, first - from_frame)[:, :length].T.cpu().numpy()
                for name, spectrum in spectra.items()
            }

    @torch.inference_mode()
    def _separated(
        self, samples: Tensor, level: float, stems: tuple[str, ...]
    ) -> dict[str, Tensor]:
        """Give the stems' (2, frames, 2049) spectra."""
        spectrum = torch.fft.rfft(samples.unfold(1, _SIZE, _HOP) * self._hann)
        magnitude = spectrum.abs()
        mask = self._model.vocal_mask(level * magnitude[:, :, :BINS])
        # Above the networks' band the voice gets its mean share, as upstream's "average" does.
        above = mask.mean(dim=2, keepdim=True).expand(-1, -1, magnitude.shape[2] - BINS)
        mask = torch.cat((mask, above), dim=2)
        if stems == (VOCALS,):
            return {VOCALS: spectrum * mask}
        accompaniment = spectrum * (1 - mask)
        mean = (magnitude * (1 - mask)).mean(dim=0).cpu().numpy()
        parts = accompaniment_masks(mean, SAMPLE_RATE_HZ / _SIZE, _HOP / SAMPLE_RATE_HZ)
        drums, bass = (torch.from_numpy(part).to(self._device) for part in parts)
        masks = {"drums": drums, "bass": bass, "other": 1 - drums - bass}
        return {
            name: spectrum * mask if name == VOCALS else accompaniment * masks[name]
            for name in stems
        }

    @torch.inference_mode()
    def _inverse(self, spectrum: Tensor, first: int) -> Tensor:
        """Overlap and add what begins at the middle of frame ``first``; (2, samples)."""
        pieces = torch.fft.irfft(spectrum, _SIZE) * self._hann
        weights = (self._hann**2).expand(1, spectrum.shape[1], _SIZE)
        hops, weight = _overlap_added(pieces), _overlap_added(weights)
        # Each frame begins two hops before its middle.
        return (hops / weight)[:, first + _PARTS // 2 :].flatten(1)


def _overlap_added(pieces: Tensor) -> Tensor:
    """Add (channels, frames, 4096) at a distance of 1024: (channels, frames + 3, 1024)."""
    channels, frames, _ = pieces.shape
    parts = pieces.view(channels, frames, _PARTS, _HOP)
    total = pieces.new_zeros((channels, frames + _PARTS - 1, _HOP))
    for part in range(_PARTS):
        total[:, part : part + frames] += parts[:, :, part]
    return total


def _level_gain(sound: Sound) -> float:
    """Give the factor that brings a sound to the level that the networks are to hear."""
    squares = 0.0
    for start in range(0, sound.frames, BLOCK_FRAMES):
        block = sound.read(start, min(start + BLOCK_FRAMES, sound.frames))
        squares += float(np.square(block, dtype=np.float64).sum())
    rms = sqrt(squares / (sound.frames * sound.channels))
    return min(HEARD_RMS / rms, MOST_GAIN) if rms > 0 else 1.0
