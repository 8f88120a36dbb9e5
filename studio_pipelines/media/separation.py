"""What a separation offers, and which of it a request asks for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.audio import Samples
from studio_pipelines.media.audio_chain import ReportShare
from studio_pipelines.media.sample_store import Sound

Stems = dict[str, Samples]
"""Blocks of the same time, (frames, 2) float32 each, by the names of the stems."""


@dataclass(frozen=True)
class StemFamily:
    """A division of a song.

    Attributes:
        separated: Stems that the separation makes.
        remainder: Name of what the song holds beside them, found by subtraction; None where the
            separation is to make all there is.
    """

    separated: tuple[str, ...]
    remainder: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All stems."""
        return self.separated if self.remainder is None else (*self.separated, self.remainder)


@dataclass(frozen=True)
class StemOffer:
    """What can be asked of a model.

    Attributes:
        model: Its name.
        families: Divisions, the usual one first.
        separable: Stems that can be separated alone.
        made_by: How a stem is made, where it is not by the model's network.
    """

    model: str
    families: tuple[StemFamily, ...]
    separable: tuple[str, ...]
    made_by: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class StemPlan:
    """What is made for a request.

    Attributes:
        family: The division.
        kept: Stems that become files, the main one first.
    """

    family: StemFamily
    kept: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the files are all stems of the division, so that their sum is the song."""
        return set(self.kept) == set(self.family.names)


class Separation(Protocol):
    """A loaded model that separates a sound of two channels at its own rate."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate that it works at."""
        ...

    @property
    def offer(self) -> StemOffer:
        """What can be asked of it."""
        ...

    def separate(
        self, sound: Sound, stems: tuple[str, ...], report_share: ReportShare | None = None
    ) -> Iterator[Stems]:
        """Give the stems, block after block, as long as the sound.

        Args:
            sound: Two channels at ``sample_rate_hz``.
            stems: Which ones.
            report_share: Called with the share done, 0 to 1, every few seconds; may raise to
                cancel.
        """
        ...


def plan_stems(
    offer: StemOffer, stems: int | Sequence[str] | None, two_stems: str | None
) -> StemPlan:
    """Decide what to make.

    Args:
        offer: What the model can do.
        stems: How many stems, or which; None is the usual division.
        two_stems: One stem, and the song without it.

    Raises:
        InvalidParameter: The model cannot do that.
    """
    if two_stems is not None:
        if stems is not None:
            raise InvalidParameter(
                "twoStems and stems exclude each other", field="twoStems", hint="Send one of them."
            )
        return _with_and_without(offer, two_stems)
    if stems is None:
        return StemPlan(offer.families[0], offer.families[0].names)
    for family in offer.families:
        if isinstance(stems, int):
            if stems == len(family.names):
                return StemPlan(family, family.names)
        elif stems and set(stems) <= set(family.names):
            return StemPlan(family, tuple(dict.fromkeys(stems)))
    divisions = "; or ".join(", ".join(family.names) for family in offer.families)
    asked = stems if isinstance(stems, int) else ", ".join(stems) or "none"
    raise InvalidParameter(
        f"{offer.model} cannot make these stems: {asked}",
        field="stems",
        hint=f"It makes {divisions}.",
    )


def _with_and_without(offer: StemOffer, stem: str) -> StemPlan:
    if stem not in offer.separable:
        raise InvalidParameter(
            f"{offer.model} has no stem {stem!r}",
            field="twoStems",
            hint=f"Take one of {', '.join(offer.separable)}.",
        )
    family = StemFamily((stem,), f"no{stem.capitalize()}")
    return StemPlan(family, family.names)
