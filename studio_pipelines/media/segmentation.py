"""Masks by prompts: what a segmentation network is asked, and which of its answers is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.interruptible import run_interruptibly
from studio_pipelines.media.logit_grid import region_of, stability
from studio_pipelines.media.mask_region import Region
from studio_pipelines.media.seen_picture import SeenPicture
from studio_pipelines.media.segment_frame import Frame

_Floats = NDArray[np.float32]

OUTSIDE, INSIDE, FIRST_CORNER, LAST_CORNER = 0, 1, 2, 3


class Segmenter(Protocol):
    """A network in the manner of Segment Anything.

    Attributes:
        side_px: Side of the square that it sees.
        mask_cells: Side of the grid of logits that it gives.
        keeps_shape: Whether pictures keep their shape in that square, or are stretched over it.
        prompts_at_a_time: How many it decodes well in one call that ends within a second.
    """

    side_px: int
    mask_cells: int
    keeps_shape: bool
    prompts_at_a_time: int

    def encode(self, colours: NDArray[np.uint8]) -> dict[str, _Floats]:
        """Return what :meth:`decode` needs of a picture, (height, width, 3) sRGB code values."""
        ...

    def decode(
        self,
        known: Mapping[str, _Floats],
        points: _Floats,
        labels: _Floats,
        logits: _Floats | None = None,
        *,
        several: bool,
    ) -> tuple[_Floats, _Floats]:
        """Return logits (prompts, masks, cells, cells) and estimated overlaps (prompts, masks).

        Of each prompt there is the one mask that it means, or the three that it could.
        """
        ...

    def stop(self) -> None:
        """Make a call that runs in another thread end soon, with an error."""
        ...


@dataclass(frozen=True, eq=False)
class Prompt:
    """What is asked of a network.

    Attributes:
        points: (n, 2), x before y, in the picture.
        labels: (n,): 1 inside, 0 outside, 2 and 3 a box's first and last corner.
        logits: A mask to begin from, on the network's grid, or None.
    """

    points: _Floats
    labels: _Floats
    logits: _Floats | None = None

    @property
    def is_clear(self) -> bool:
        """Whether it hardly leaves a choice: a box, a mask, or more than one point."""
        return len(self.labels) > 1 or self.logits is not None


@dataclass(frozen=True, eq=False)
class Found:
    """A mask that a network gave.

    Attributes:
        logits: (cells, cells) over the square that the network saw, positive inside.
        score: How well it overlaps with what is meant, 0 to 1, by the network's own estimate.
        frame: The window that it saw.
    """

    logits: _Floats
    score: float
    frame: Frame

    @property
    def stability(self) -> float:
        """How little it depends on where the logits are cut, 0 to 1."""
        return stability(self.logits, self.frame)

    def region(self, width_px: int, height_px: int) -> Region:
        """Return its pixels in a picture of that size."""
        return region_of(self.logits, self.frame, width_px, height_px)


def ask(
    segmenter: Segmenter, seen: SeenPicture, prompts: Sequence[Prompt], *, several: bool
) -> list[list[Found]]:
    """Return the mask of each prompt, or the three that it could mean.

    Args:
        segmenter: The network.
        seen: What it knows of the picture.
        prompts: All with the same number of points, and without logits unless there is one.
        several: Whether each is to have three.
    """
    points = np.stack([seen.frame.to_network(prompt.points) for prompt in prompts])
    labels = np.stack([prompt.labels for prompt in prompts])
    logits = prompts[0].logits
    masks, scores = run_interruptibly(
        lambda: segmenter.decode(seen.known, points, labels, logits, several=several),
        stop=segmenter.stop,
    )
    scores = np.clip(scores, 0, 1)
    return [
        [Found(mask, float(score), seen.frame) for mask, score in zip(*of_one, strict=True)]
        for of_one in zip(masks, scores, strict=True)
    ]


def masks_by_prompt(
    segmenter: Segmenter, seen: SeenPicture, prompt: Prompt, *, several: bool
) -> list[Found]:
    """Return what a prompt means: one mask, or the three that it could, the best first.

    Args:
        segmenter: The network.
        seen: What it knows of the picture.
        prompt: Points, a box, a mask.
        several: Whether all three are wanted.
    """
    if prompt.is_clear and not several:
        return ask(segmenter, seen, [prompt], several=False)[0]
    ranked = sorted(ask(segmenter, seen, [prompt], several=True)[0], key=lambda one: -one.score)
    return ranked if several else ranked[:1]
