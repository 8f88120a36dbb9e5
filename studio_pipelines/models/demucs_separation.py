"""Demucs at work on a sound of any length, segment by segment, in memory that does not grow.

It computes what ``demucs.apply.apply_model`` and ``demucs.api.Separator`` compute, in which a track
and all of its estimates are held at once: segments overlap and are faded by triangles, shifted
copies are averaged, and so are the models of a bag. Here all of those passes run side by side.
S. Rouard, F. Massa, A. Défossez: Hybrid transformers for music source separation, ICASSP 2023.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from demucs.htdemucs import HTDemucs
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.audio_blocks import BLOCK_FRAMES
from studio_pipelines.media.audio_chain import ReportShare
from studio_pipelines.media.feed import Feed
from studio_pipelines.media.sample_store import Sound, read_padded
from studio_pipelines.media.separation import StemFamily, StemOffer, Stems
from studio_pipelines.models.demucs_checkpoint import DemucsBag, Network

MOST_SHIFT_S = 0.5


@dataclass(frozen=True)
class DemucsSettings:
    """How a bag is applied; the defaults are upstream's.

    Attributes:
        shifts: How many randomly shifted estimates are averaged; 0 is one without a shift.
        overlap: Share of a segment that overlaps the next, 0 up to but not including 1.
        segment_s: Length of a segment, or None for the models' own.
        seed: Of the random shifts.
    """

    shifts: int = 1
    overlap: float = 0.25
    segment_s: float | None = None
    seed: int = 0


class DemucsSeparation:
    """Applies a bag of models.

    Args:
        bag: The models, on the device to compute on.
        settings: How.

    Raises:
        InvalidParameter: The segment is longer than a transformer was trained for, or too short.
    """

    def __init__(self, bag: DemucsBag, settings: DemucsSettings) -> None:
        longest_s = min(
            (float(one.segment) for one in bag.networks if isinstance(one, HTDemucs)),
            default=math.inf,
        )
        if settings.segment_s is not None and not 0.1 <= settings.segment_s <= longest_s:
            raise InvalidParameter(
                f"{bag.name} takes segments of 0.1 to {longest_s:g} s, not {settings.segment_s:g}",
                field="segment",
                hint="Leave it out to take the longest.",
            )
        self._bag = bag
        self._settings = settings

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the models."""
        return self._bag.networks[0].samplerate

    @property
    def offer(self) -> StemOffer:
        """All stems of the models; or one of them, and the sound without it."""
        sources = self._bag.sources
        families = [StemFamily(sources)]
        if "vocals" in sources and len(sources) != 2:
            families.append(StemFamily(("vocals",), "accompaniment"))
        return StemOffer(self._bag.name, tuple(families), sources)

    def separate(
        self, sound: Sound, stems: tuple[str, ...], report_share: ReportShare | None = None
    ) -> Iterator[Stems]:
        """Give the stems, block after block; see ``Separation``."""
        mean, deviation = _level(sound)
        passes = self._passes(sound, mean, deviation)
        total = sum(one.segments for one in passes)
        done = 0

        def on_segment() -> None:
            nonlocal done
            if report_share:
                report_share(done / total)
            done += 1

        feeds = [Feed(one.run(on_segment)) for one in passes]
        weights = np.repeat(np.array(self._bag.weights, np.float32), len(feeds) // self._models, 0)
        weights /= weights.sum(axis=0)
        places = {name: self._bag.sources.index(name) for name in stems}
        while (blocks := [feed.take(BLOCK_FRAMES) for feed in feeds])[0] is not None:
            # (passes, frames, sources, channels): each source has its own weights.
            joined = np.einsum("ps,pfsc->sfc", weights, np.stack(blocks))  # type: ignore[arg-type]
            yield {name: joined[place] * deviation + mean for name, place in places.items()}

    @property
    def _models(self) -> int:
        return len(self._bag.networks)

    def _passes(self, sound: Sound, mean: float, deviation: float) -> list["_Pass"]:
        """Lay out each model's passes; shifts are drawn in upstream's order."""
        rng = random.Random(self._settings.seed)  # noqa: S311  nothing secret  # nosec B311
        most = int(MOST_SHIFT_S * self.sample_rate_hz)
        passes: list[_Pass] = []
        for network in self._bag.networks:
            # A fraction: as a float its product with the rate may miss a frame.
            segment_s = self._settings.segment_s or network.segment
            for _ in range(max(1, self._settings.shifts)):
                lead = most - rng.randint(0, most) if self._settings.shifts else 0
                passes.append(
                    _Pass(network, sound, mean, deviation, segment_s, self._settings, lead)
                )
        return passes


@dataclass(frozen=True, eq=False)
class _Pass:
    """One model over the whole sound.

    Attributes:
        network: The model.
        sound: At its rate.
        mean: Taken off the samples.
        deviation: By which they are divided then.
        segment_s: Length of a segment.
        settings: How much they overlap.
        lead_frames: Silence before the sound: the shift.
    """

    network: Network
    sound: Sound
    mean: float
    deviation: float
    segment_s: float | Fraction
    settings: DemucsSettings
    lead_frames: int

    @property
    def _segment_frames(self) -> int:
        return int(self.network.samplerate * self.segment_s)

    @property
    def _stride(self) -> int:
        return max(1, int((1 - self.settings.overlap) * self._segment_frames))

    @property
    def _length(self) -> int:
        return self.lead_frames + self.sound.frames

    @property
    def segments(self) -> int:
        """How many segments it has."""
        return math.ceil(self._length / self._stride)

    def run(self, on_segment: Callable[[], None]) -> Iterator[NDArray[np.float32]]:
        """Give (frames, sources, channels), the lead cut off; as long as the sound."""
        size, stride, length = self._segment_frames, self._stride, self._length
        # Triangles, which add up to more or less than one: so the weights are added up as well.
        ramp = torch.arange(1, size // 2 + 1)
        fade = torch.cat((ramp, torch.arange(size - size // 2, 0, -1))).float()
        fade /= fade.max()
        pending, weight = torch.zeros(0), torch.zeros(0)
        to_drop = self.lead_frames
        for offset in range(0, length, stride):
            on_segment()
            frames = min(size, length - offset)
            estimate = self._estimate(offset - self.lead_frames, frames)
            faded = fade[:frames] * estimate
            pending = _added(pending, faded)
            weight = _added(weight, fade[:frames])
            ready = min(stride, length - offset)
            block = (pending[..., :ready] / weight[:ready]).permute(2, 0, 1).numpy()
            pending, weight = pending[..., ready:], weight[ready:]
            kept = block[min(to_drop, ready) :]
            to_drop -= ready - len(kept)
            if len(kept):
                yield kept

    @torch.inference_mode()
    def _estimate(self, start: int, frames: int) -> Tensor:
        """Apply the model to what it needs around ``frames``; (sources, channels, frames)."""
        wanted = self._valid_frames(frames)
        before = (wanted - frames) // 2
        first, last = start - before, start - before + wanted
        samples = torch.from_numpy(read_padded(self.sound, first, last).T.copy())
        inside = samples[:, max(0, -first) : max(0, self.sound.frames - first)]
        inside.sub_(self.mean).div_(self.deviation)
        device = next(self.network.parameters()).device
        network: nn.Module = self.network
        estimate: Tensor = network(samples[None].to(device))[0].cpu()
        # A model may give more than it took; upstream keeps the middle.
        surplus = estimate.shape[-1] - frames
        return estimate[..., surplus // 2 : surplus // 2 + frames]

    def _valid_frames(self, frames: int) -> int:
        if isinstance(self.network, HTDemucs) and self.settings.segment_s is not None:
            return self._segment_frames
        valid_length: Any = getattr(self.network, "valid_length", None)
        return frames if valid_length is None else valid_length(frames)


def _added(pending: Tensor, more: Tensor) -> Tensor:
    """Add what begins where ``pending`` begins and may be longer."""
    missing = more.shape[-1] - pending.shape[-1]
    if pending.numel() == 0:
        return more.clone()
    longer = functional.pad(pending, (0, max(0, missing)))
    longer[..., : more.shape[-1]] += more
    return longer


def _level(sound: Sound) -> tuple[float, float]:
    """Give mean and standard deviation (n - 1) of the channels' mean, as upstream normalises."""
    total = squares = 0.0
    for start in range(0, sound.frames, BLOCK_FRAMES):
        block = sound.read(start, min(start + BLOCK_FRAMES, sound.frames))
        mono = block.mean(axis=1, dtype=np.float64)
        total += float(mono.sum())
        squares += float(np.vdot(mono, mono))
    mean = total / sound.frames
    variance = max(0.0, squares - total * mean) / max(1, sound.frames - 1)
    return mean, math.sqrt(variance) + 1e-8
