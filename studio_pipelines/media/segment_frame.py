"""Where a part of a picture lies in the square that a segmentation network sees, and its mask grid.

Coordinates in a picture are those of its pixels' corners: the first pixel reaches from 0 to 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]

LONGEST_WINDOW: Final = 4
"""How many times as long as wide a picture may be to be looked at as a whole."""


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in whole pixels.

    Attributes:
        left: Of its first column.
        top: Of its first row.
        width_px: Columns, at least 1.
        height_px: Rows, at least 1.
    """

    left: int
    top: int
    width_px: int
    height_px: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns, for indexing a picture's pixels."""
        rows = slice(self.top, self.top + self.height_px)
        return rows, slice(self.left, self.left + self.width_px)

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom edge."""
        return self.left, self.top, self.left + self.width_px, self.top + self.height_px


@dataclass(frozen=True)
class Frame:
    """A window of a picture as a network sees it.

    Attributes:
        window: The part of the picture.
        side_px: Side of the square that the network takes.
        keeps_shape: Whether the window is scaled alike in both directions and lies in the square's
            top left corner; else it is stretched over the whole square.
    """

    window: Window
    side_px: int
    keeps_shape: bool

    @property
    def seen_px(self) -> tuple[int, int]:
        """Width and height of the window within the square."""
        if not self.keeps_shape:
            return self.side_px, self.side_px
        width, height = self.window.width_px, self.window.height_px
        scale = self.side_px / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the square for one of the picture, across and down."""
        seen = self.seen_px
        return seen[0] / self.window.width_px, seen[1] / self.window.height_px

    def to_network(self, points: _Floats) -> _Floats:
        """Return points of the picture, shape (..., 2), x before y, as the network counts them.

        It counts from the middle of its first pixel, so half a pixel is taken off.
        """
        corner = np.array([self.window.left, self.window.top], np.float32)
        return ((points - corner) * np.array(self.scale, np.float32) - 0.5).astype(np.float32)

    def to_grid(self, cells: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return where the window's pixels lie in a grid of ``cells`` x ``cells`` over the square.

        Returns:
            Step and offset, across and down: pixel n of the window, counted by its middle, lies at
            step x n + offset, counted by the middles of the cells.
        """
        steps = tuple(scale * cells / self.side_px for scale in self.scale)
        return (steps[0], steps[0] / 2 - 0.5), (steps[1], steps[1] / 2 - 0.5)

    def valid_cells(self, cells: int) -> tuple[int, int]:
        """Return how many columns and rows of such a grid the window reaches into."""
        width, height = self.seen_px
        return -(-width * cells // self.side_px), -(-height * cells // self.side_px)


def is_strip(width_px: int, height_px: int) -> bool:
    """Whether a picture is so long that it would be seen as a line."""
    short, long = sorted((width_px, height_px))
    return long > LONGEST_WINDOW * short


def window_around(points: _Floats, width_px: int, height_px: int) -> Window:
    """Return the part of a picture to look at for points in it: the whole, unless it is a strip.

    A picture that is more than four times as long as wide would be seen as a line. Of it a window
    is taken that is four times as long as wide, moved in steps of half the picture's width, so that
    clicks near each other have the same one; longer where the points are further apart.

    Args:
        points: (n, 2), x before y, n at least 1.
        width_px: The picture's width.
        height_px: The picture's height.
    """
    if not is_strip(width_px, height_px):
        return Window(0, 0, width_px, height_px)
    short, long = sorted((width_px, height_px))
    along = points[:, 0 if width_px > height_px else 1]
    low, high = float(along.min()), float(along.max())
    length = min(long, max(LONGEST_WINDOW * short, int(np.ceil(high - low)) + 2 * short))
    step = max(1, short // 2)
    first = round(((low + high - length) / 2) / step) * step
    first = min(max(0, first), long - length)
    if width_px > height_px:
        return Window(first, 0, length, height_px)
    return Window(0, first, width_px, length)


def tiles(width_px: int, height_px: int, pieces: int, overlap: float) -> Iterator[Window]:
    """Cut a picture into overlapping windows, ``pieces`` along its shorter side.

    The windows have the picture's shape; those of a strip are at most four times as long as wide.

    Args:
        width_px: The picture's width.
        height_px: The picture's height.
        pieces: At least 1.
        overlap: Share of a window that its neighbour covers too, 0 to below 1.
    """
    short, long = sorted((width_px, height_px))
    along = max(pieces, int(np.ceil(pieces * long / (LONGEST_WINDOW * short))))
    across, down = (along, pieces) if width_px > height_px else (pieces, along)
    columns = list(_pieces(width_px, across, overlap))
    for top, height in _pieces(height_px, down, overlap):
        for left, width in columns:
            yield Window(left, top, width, height)


def _pieces(length: int, count: int, overlap: float) -> Iterator[tuple[int, int]]:
    size = min(length, int(np.ceil(length / (count - (count - 1) * overlap))))
    for n in range(count):
        yield (round(n * (length - size) / max(1, count - 1)), size)
