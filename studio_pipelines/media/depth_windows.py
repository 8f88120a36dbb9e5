"""See a picture whole or in windows, and make one depth map of what a network tells of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.depth_alignment import Alignment, aligned
from studio_pipelines.media.segment_frame import Window

_Floats = NDArray[np.float32]
Look = Callable[[Window], _Floats]
"""Gives a network's values of a window, of any size."""

_LONGEST: Final = 3.0
"""Length over breadth beyond which a picture is seen in windows: networks learned from others."""
_WINDOW_LENGTH: Final = 2.0
_OVERLAP: Final = 0.5
_DETAIL_OVERLAP: Final = 0.25
_MOST_TILES: Final = 8
"""Along a side: so many are as fine as a 24-megapixel picture is sharp."""


@dataclass(frozen=True)
class Grid:
    """The size that a map is put together in: a picture's own, made smaller.

    Attributes:
        height: Rows.
        width: Columns.
        picture_height: The picture's.
        picture_width: The picture's.
    """

    height: int
    width: int
    picture_height: int
    picture_width: int

    def cells(self, window: Window) -> tuple[slice, slice]:
        """Return a window's rows and columns here, at least one of each."""
        left, top, right, bottom = window.corners
        rows = _cells(top, bottom, self.height / self.picture_height, self.height)
        return rows, _cells(left, right, self.width / self.picture_width, self.width)


def _cells(first: int, last: int, scale: float, count: int) -> slice:
    start = min(round(first * scale), count - 1)
    return slice(start, max(start + 1, round(last * scale)))


def strips(height: int, width: int) -> list[Window]:
    """Return the windows that a picture is seen in: one, or half overlapping ones along it."""
    long, short = max(height, width), min(height, width)
    if long <= _LONGEST * short:
        return [Window(0, 0, width, height)]
    length = min(long, max(1, round(_WINDOW_LENGTH * short)))
    starts = _starts(long, length, _OVERLAP)
    if width >= height:
        return [Window(start, 0, length, height) for start in starts]
    return [Window(0, start, width, length) for start in starts]


def tiles(height: int, width: int, side_px: int) -> list[Window]:
    """Return overlapping windows of about so many pixels a side, at most 8 x 8 of them."""
    rows, columns = (
        min(_MOST_TILES, max(1, round(side / (side_px * (1 - _DETAIL_OVERLAP)))))
        for side in (height, width)
    )
    tall, wide = (
        min(side, int(np.ceil(side / (count - (count - 1) * _DETAIL_OVERLAP))))
        for side, count in ((height, rows), (width, columns))
    )
    return [
        Window(left, top, wide, tall)
        for top in _starts(height, tall, _DETAIL_OVERLAP)
        for left in _starts(width, wide, _DETAIL_OVERLAP)
    ]


def _starts(long: int, length: int, overlap: float) -> list[int]:
    count = 1 + int(np.ceil((long - length) / max(1.0, length * (1 - overlap))))
    return [round(start) for start in np.linspace(0, long - length, count)]


def joined(grid: Grid, windows: list[Window], look: Look) -> _Floats:
    """Return one map of windows that overlap in a row: each is aligned with what lies before it.

    Args:
        grid: The result's size.
        windows: In their order along the picture.
        look: Tells of each.
    """
    summed, shares = np.zeros((grid.height, grid.width)), np.zeros((grid.height, grid.width))
    for window in windows:
        cells = grid.cells(window)
        values, share = _fitted(look(window), cells), _share(cells, grid)
        before = shares[cells] > 0
        found = Alignment()
        if before.any():
            known = summed[cells] / np.maximum(shares[cells], 1e-12)
            found = aligned(values, known, before)
        summed[cells] += found.apply(values) * share
        shares[cells] += share
    return (summed / np.maximum(shares, 1e-12)).astype(np.float32)


def refined(grid: Grid, whole: _Floats, windows: list[Window], look: Look) -> _Floats:
    """Return a map with the detail of tiles, each on the scale and shift of the whole picture's.

    Args:
        grid: The result's size.
        whole: The whole picture's map, of any size.
        windows: The tiles; together they cover the picture.
        look: Tells of each.
    """
    size = (grid.width, grid.height)
    base: Any = cv2.resize(whole, size, interpolation=cv2.INTER_CUBIC)
    summed, shares = np.zeros(base.shape), np.zeros(base.shape)
    for window in windows:
        cells = grid.cells(window)
        values, share = _fitted(look(window), cells), _share(cells, grid)
        summed[cells] += aligned(values, base[cells]).apply(values) * share
        shares[cells] += share
    return (summed / np.maximum(shares, 1e-12)).astype(np.float32)


def _fitted(values: _Floats, cells: tuple[slice, slice]) -> _Floats:
    height, width = (part.stop - part.start for part in cells)
    scaled: Any = cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)
    return scaled


def _share(cells: tuple[slice, slice], grid: Grid) -> NDArray[np.float64]:
    """Return what a window counts at each place: less towards edges that others lie beyond."""
    ramps = [
        _ramp(part.start > 0, part.stop < count, part.stop - part.start)
        for part, count in zip(cells, (grid.height, grid.width), strict=True)
    ]
    return ramps[0][:, None] * ramps[1]


def _ramp(rises: bool, falls: bool, length: int) -> NDArray[np.float64]:
    """Return 0 to 1 over a quarter of the length at the ends where others overlap."""
    places = np.arange(length, dtype=np.float64) + 0.5
    shares = np.ones(length)
    if rises:
        shares = np.minimum(shares, places / (0.25 * length))
    if falls:
        shares = np.minimum(shares, (length - places) / (0.25 * length))
    return shares
