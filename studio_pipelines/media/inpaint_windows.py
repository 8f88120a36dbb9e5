"""Which parts of a picture are worked on at a time: windows around its holes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter

Strategy = Literal["crop", "tile", "original"]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]

_CELL_PX: Final = 32
_RING: Final = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """How a picture is cut.

    Attributes:
        strategy: ``crop`` takes the surroundings of each group of holes, ``tile`` cuts into tiles
            what is larger than one, ``original`` takes the whole picture.
        margin_px: What a window has around its hole; None for half the hole's longer side, within
            64 to 512.
        tile_px: Side of a tile, beside its margin.
        max_pixels: The most that a window may have; a crop that is larger is cut into tiles.
    """

    strategy: Strategy = "crop"
    margin_px: int | None = None
    tile_px: int = 1024
    max_pixels: int = 1 << 24


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the picture, and the part of it that is filled and kept.

    Attributes:
        outer: Left, top, right and bottom of what is looked at.
        inner: The same of what is filled; holes outside it belong to other windows.
    """

    outer: Box
    inner: Box

    @property
    def at(self) -> tuple[slice, slice]:
        """Rows and columns of the window."""
        left, top, right, bottom = self.outer
        return slice(top, bottom), slice(left, right)

    def widened(self, height: int, width: int) -> "Window":
        """Return the window with twice the surroundings, within the picture."""
        left, top, right, bottom = self.outer
        across, down = right - left, bottom - top
        grown = _around(self.outer, max(across, down) // 2, height, width)
        return Window(grown, self.inner)


def windows_of(hole: Mask, plan: WindowPlan) -> list[Window]:
    """Return windows whose inner parts together hold every pixel of the hole.

    Inner parts may overlap: what one window has filled is known to those after it.

    Raises:
        InvalidParameter: The whole picture was asked for, and it is too large.
    """
    height, width = hole.shape
    if plan.strategy == "original":
        if hole.size > plan.max_pixels:
            raise InvalidParameter(
                f"The picture has {hole.size / 1e6:.1f} megapixels; worked on as a whole it may "
                f"have {plan.max_pixels / 1e6:.1f}.",
                field="hdStrategy",
                hint="Use crop or tile.",
            )
        whole = (0, 0, width, height)
        return [Window(whole, whole)]
    found: list[Window] = []
    for box in _groups(hole):
        window = _window(box, plan, height, width)
        tiled = plan.strategy == "tile" and max(box[2] - box[0], box[3] - box[1]) > plan.tile_px
        if tiled or _pixels(window.outer) > plan.max_pixels:
            found += (_window(tile, plan, height, width) for tile in _tiles(box, plan.tile_px))
        else:
            found.append(window)
    return [window for window in found if hole[_slices(window.inner)].any()]


def _window(box: Box, plan: WindowPlan, height: int, width: int) -> Window:
    longest = max(box[2] - box[0], box[3] - box[1])
    margin = plan.margin_px
    if margin is None:
        margin = int(np.clip(longest // 2, 64, 512))
    return Window(_around(box, margin, height, width), box)


def _groups(hole: Mask) -> Iterator[Box]:
    """Give the bounding boxes of holes that lie apart; the boxes may overlap, the holes do not."""
    height, width = hole.shape
    rows, columns = -(-height // _CELL_PX), -(-width // _CELL_PX)
    cells = np.zeros((rows, columns), np.uint8)
    for row in range(rows):
        across = hole[row * _CELL_PX : (row + 1) * _CELL_PX].any(axis=0)
        starts = np.arange(0, width, _CELL_PX, dtype=np.intp)
        cells[row] = np.logical_or.reduceat(across, starts)
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(cells, _RING))
    for left, top, across, down in stats[1:count, :4].astype(int) * _CELL_PX:
        part = hole[top : top + down, left : left + across]
        ys, xs = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        yield (
            int(left + xs[0]),
            int(top + ys[0]),
            int(left + xs[-1]) + 1,
            int(top + ys[-1]) + 1,
        )


def _tiles(box: Box, side_px: int) -> Iterator[Box]:
    left, top, right, bottom = box
    for y in range(top, bottom, side_px):
        for x in range(left, right, side_px):
            yield x, y, min(x + side_px, right), min(y + side_px, bottom)


def _around(box: Box, margin: int, height: int, width: int) -> Box:
    left, top, right, bottom = box
    return (
        max(0, left - margin),
        max(0, top - margin),
        min(width, right + margin),
        min(height, bottom + margin),
    )


def _pixels(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _slices(box: Box) -> tuple[slice, slice]:
    return slice(box[1], box[3]), slice(box[0], box[2])
