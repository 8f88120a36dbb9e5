"""Networks as fillers: views brought to a size that the network takes, and its picture back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.inpainting import CODES, Filling, Report, View
from studio_pipelines.media.patch_seam import match_rim

_Floats = NDArray[np.float32]
_Mask = NDArray[np.bool_]
Infer = Callable[[_Floats, _Mask, Report], _Floats]


@dataclass(frozen=True)
class NetworkFiller:
    """A network as a filler.

    Attributes:
        infer: Gives a picture of (height, width, 3) 8-bit code values for such a picture and its
            hole, both sides multiples of ``multiple_px``.
        longest_px: The longer side that a larger view is scaled down to.
        multiple_px: What both sides are padded to.
        enlarges: Whether a smaller view is scaled up to ``longest_px``: for networks that know one
            size alone.
        sees_hole: Whether it is shown what was in the hole.
    """

    infer: Infer
    longest_px: int
    multiple_px: int
    enlarges: bool = False
    sees_hole: bool = False

    def __call__(self, view: View, report: Report) -> Filling:
        """Fill the view's hole; what is barred is no matter for a network, which copies nothing."""
        height, width = view.hole.shape
        scale = self.longest_px / max(height, width)
        if scale > 1 and not self.enlarges:
            scale = 1.0
        size = max(1, round(width * scale)), max(1, round(height * scale))
        colours = view.colours.clip(0, CODES)
        if not self.sees_hole:
            colours[view.hole] = CODES / 2
        if size == (width, height):
            filled = self._padded(colours, view.hole, report)
            return Filling(match_rim(view.colours, filled, view.hole))
        # A pixel that is partly in the hole is unknown: nothing of the hole is in the others.
        small_hole = _resized(view.hole.astype(np.float32), size) > 1e-3
        filled = self._padded(_resized(colours, size).clip(0, CODES), small_hole, report)
        filled = _resized(filled, (width, height))
        return Filling(match_rim(view.colours, filled, view.hole))

    def _padded(self, colours: _Floats, hole: _Mask, report: Report) -> _Floats:
        height, width = hole.shape
        edges = ((0, -height % self.multiple_px), (0, -width % self.multiple_px))
        padded = np.pad(colours, (*edges, (0, 0)), mode="symmetric")
        known = np.pad(hole, edges, mode="symmetric")
        return self.infer(padded, known, report)[:height, :width]


def _resized(values: Any, size: tuple[int, int]) -> Any:
    shrinks = size[0] < values.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(values, size, interpolation=way)
