"""A mask of a picture, kept as the rectangle that holds it, and what can be mended in it."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.segment_frame import Window

Mask = NDArray[np.bool_]
_cv: Any = cv2  # half of it has no types


@dataclass(frozen=True, eq=False)
class Region:
    """Some of a picture's pixels.

    Attributes:
        width_px: The picture's width.
        height_px: Its height.
        left: First column of the rectangle.
        top: First row.
        inside: (height, width) of the rectangle, C-contiguous.
    """

    width_px: int
    height_px: int
    left: int
    top: int
    inside: Mask

    @classmethod
    def of(cls, mask: Mask, window: Window, width_px: int, height_px: int) -> "Region":
        """Return a window's mask as small as it can be kept.

        Args:
            mask: Shape of the window.
            window: Its place in the picture.
            width_px: The picture's width.
            height_px: The picture's height.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return cls(width_px, height_px, window.left, window.top, np.zeros((0, 0), bool))
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        left, top = window.left + int(columns[0]), window.top + int(rows[0])
        return cls(width_px, height_px, left, top, np.ascontiguousarray(part))

    @cached_property
    def area_px(self) -> int:
        """How many pixels it has."""
        return int(np.count_nonzero(self.inside))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom edge."""
        height, width = self.inside.shape
        return self.left, self.top, self.left + width, self.top + height

    def whole(self) -> Mask:
        """Return it as a mask of the whole picture, (height, width)."""
        mask = np.zeros((self.height_px, self.width_px), bool)
        left, top, right, bottom = self.box
        mask[top:bottom, left:right] = self.inside
        return mask

    def sampled(self, window: Window, width_px: int, height_px: int) -> Mask:
        """Return a window of the mask at another size, each pixel that of its middle.

        Args:
            window: The part of the picture.
            width_px: Width of the result.
            height_px: Its height.
        """
        columns = _middles(width_px, window.width_px) + window.left - self.left
        rows = _middles(height_px, window.height_px) + window.top - self.top
        height, width = self.inside.shape
        across, down = (columns >= 0) & (columns < width), (rows >= 0) & (rows < height)
        mask = np.zeros((height_px, width_px), bool)
        mask[np.ix_(down, across)] = self.inside[np.ix_(rows[down], columns[across])]
        return mask

    def holds(self, x: float, y: float) -> bool:
        """Return whether a point of the picture is in it."""
        left, top, right, bottom = self.box
        column, row = int(np.floor(x)), int(np.floor(y))
        if not (left <= column < right and top <= row < bottom):
            return False
        return bool(self.inside[row - top, column - left])

    def within(self, visible: Mask) -> "Region":
        """Return what of it is also in a mask of the whole picture."""
        left, top, right, bottom = self.box
        kept = self.inside & visible[top:bottom, left:right]
        height, width = kept.shape
        return Region.of(kept, Window(left, top, width, height), self.width_px, self.height_px)

    def iou(self, other: "Region") -> float:
        """Return the overlap: pixels that are in both, over those that are in either."""
        own, their = self.box, other.box
        left, top = max(own[0], their[0]), max(own[1], their[1])
        right, bottom = min(own[2], their[2]), min(own[3], their[3])
        both = 0
        if left < right and top < bottom:
            parts = (
                one.inside[top - one.top : bottom - one.top, left - one.left : right - one.left]
                for one in (self, other)
            )
            both = int(np.count_nonzero(np.logical_and(*parts)))
        return both / max(1, self.area_px + other.area_px - both)

    def is_like(self, other: "Region", overlap: float) -> bool:
        """Whether two regions overlap by more than this; sizes that forbid it spare counting."""
        small, large = sorted((self.area_px, other.area_px))
        return small > overlap * large and self.iou(other) > overlap

    def mended(self, least_px: int) -> "Region":
        """Return it without islands of less than ``least_px`` pixels, and with such holes filled.

        Islands count with what they enclose. The largest one stays, however small.
        """
        if least_px <= 1 or not self.area_px:
            return self
        # A frame of what is outside, so that no hole is open to the rectangle's edge.
        drawn: Any = np.pad(self.inside, 1).view(np.uint8)
        contours, tree = _cv.findContours(drawn, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        islands = [n for n in range(len(contours)) if tree[0, n, 3] < 0]
        sizes = {n: _covered_px(contours[n]) for n in islands}
        largest = max(islands, key=sizes.__getitem__)
        for n in islands:
            if n != largest and sizes[n] < least_px:
                _cv.drawContours(drawn, contours, n, 0, cv2.FILLED)
        for n in range(len(contours)):
            if tree[0, n, 3] >= 0 and _enclosed_px(contours[n]) < least_px:
                _cv.drawContours(drawn, contours, n, 1, cv2.FILLED)
        kept = replace(self, left=self.left - 1, top=self.top - 1, inside=drawn.view(bool))
        height, width = kept.inside.shape
        return Region.of(
            kept.inside, Window(kept.left, kept.top, width, height), self.width_px, self.height_px
        )


def _middles(count: int, length: int) -> NDArray[np.int64]:
    return ((np.arange(count) + 0.5) * length / count).astype(np.int64)


def _covered_px(contour: Any) -> float:
    """Return how many pixels a contour and what it encloses have, by Pick's theorem."""
    return _cv.contourArea(contour) + len(contour) / 2 + 1


def _enclosed_px(contour: Any) -> float:
    """Return how many pixels a contour encloses, its own left out, by Pick's theorem."""
    return _cv.contourArea(contour) - len(contour) / 2 + 1


def softened(mask: Mask, feather_px: float) -> NDArray[np.uint8]:
    """Return a mask as 8-bit shares, 255 inside, its edge blurred by a Gaussian of this width."""
    from studio_pipelines.media.matte import feathered

    shares = np.empty(mask.shape, np.uint8)
    for rows in bands(*mask.shape):
        np.multiply(mask[rows].view(np.uint8), 255, out=shares[rows])
    return feathered(shares, feather_px)
