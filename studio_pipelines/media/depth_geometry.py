"""From a depth map to points and directions in space.

The camera is at the origin and looks along -z; x is right, y up, as in OpenGL and glTF.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.exif import focal_length_35mm
from studio_pipelines.media.interruptible import bands

_Floats = NDArray[np.float32]
_BAND_PIXELS: Final = 1 << 20
_DIAGONAL_35MM: Final = math.hypot(36, 24)
_USUAL_FIELD: Final = math.radians(60)
MOST_POINTS: Final = 4_000_000
ASSUMED_RATIO: Final = 10.0
"""Of the farthest to the nearest depth, where depth is relative: a shape to look at, no measure."""


@dataclass(frozen=True, slots=True)
class Focal:
    """A focal length in pixels, and how it is known."""

    length_px: float
    source: Literal["given", "exif", "model", "estimated"]


def focal_of(
    height_px: int, width_px: int, exif: bytes | None, given_px: float | None, told_px: float | None
) -> Focal:
    """Return a picture's focal length: as given, from EXIF, from the network, or a usual one.

    Args:
        height_px: The picture's.
        width_px: The picture's.
        exif: Its EXIF block; the 35 mm equivalent counts, by the diagonal (CIPA DCG-001).
        given_px: The request's.
        told_px: The network's.
    """
    if given_px is not None:
        return Focal(given_px, "given")
    equivalent_mm = focal_length_35mm(exif) if exif is not None else None
    if equivalent_mm:
        return Focal(equivalent_mm * math.hypot(height_px, width_px) / _DIAGONAL_35MM, "exif")
    if told_px is not None:
        return Focal(told_px, "model")
    return Focal(max(height_px, width_px) / 2 / math.tan(_USUAL_FIELD / 2), "estimated")


def distances(values: _Floats, low: float, high: float) -> _Floats:
    """Return depth for relative inverse depth, the nearest 1, the farthest :data:`ASSUMED_RATIO`.

    Args:
        values: Larger is nearer.
        low: The smallest of the whole map.
        high: The largest of it.
    """
    share = (values - np.float32(low)) / np.float32(max(high - low, 1e-12))
    far = np.float32(1 / ASSUMED_RATIO)
    return (1 / (far + (1 - far) * np.clip(share, 0, 1))).astype(np.float32)


def points(
    depth: _Floats, focal_px: float, rows: slice, height: int, width: int, step: int = 1
) -> _Floats:
    """Return where rows of a map lie in space: (rows, columns, 3), in the depth's unit.

    Args:
        depth: Those rows: along the camera's axis, each ``step``-th column.
        focal_px: See :class:`Focal`; the axis meets the picture's middle.
        rows: Which they are, with their step.
        height: Of the whole map.
        width: Of the whole map.
        step: Between columns.
    """
    x = np.arange(width, dtype=np.float32)[::step] + np.float32(0.5) - np.float32(width / 2)
    y = np.float32(height / 2) - np.arange(height, dtype=np.float32)[rows] - np.float32(0.5)
    placed = np.empty((*depth.shape, 3), np.float32)
    placed[..., 0] = depth * (x / np.float32(focal_px))
    placed[..., 1] = depth * (y[:, None] / np.float32(focal_px))
    placed[..., 2] = -depth
    return placed


def normals(depth: _Floats, focal_px: float) -> Iterator[tuple[slice, _Floats]]:
    """Give the directions that surfaces face, band by band: (rows, width, 3), of length 1."""
    height, width = depth.shape
    for rows in bands(height, width, _BAND_PIXELS):
        around = slice(max(0, rows.start - 1), min(height, rows.stop + 1))
        placed = points(depth[around], focal_px, around, height, width)
        found = np.cross(_change(placed, 1), -_change(placed, 0), axis=-1)
        length = np.linalg.norm(found, axis=-1, keepdims=True)
        facing = np.array([0, 0, 1], np.float32)
        found = np.where(length > 0, found / np.maximum(length, 1e-30), facing)
        first = rows.start - around.start
        part = found[first : first + rows.stop - rows.start]
        # A surface that is seen faces the camera.
        away = (part * placed[first : first + len(part)]).sum(axis=-1, keepdims=True) > 0
        yield rows, np.where(away, -part, part).astype(np.float32)


def _change(placed: _Floats, axis: int) -> _Floats:
    if placed.shape[axis] < 2:
        return np.zeros_like(placed)
    changed: Any = np.gradient(placed, axis=axis)
    return changed


def cloud_step(height: int, width: int) -> int:
    """Return which rows and columns a cloud takes, so that it has at most 4 million points."""
    return max(1, math.ceil(math.sqrt(height * width / MOST_POINTS)))


def write_ply(path: Path, depth: Iterator[tuple[_Floats, NDArray[np.uint8]]], count: int) -> int:
    """Write a binary PLY file of coloured points.

    Args:
        path: The file, created or overwritten.
        depth: Blocks of points (n, 3) and their sRGB colours (n, 3).
        count: How many points there are in all.

    Returns:
        How many were written.

    Raises:
        OSError: The disk is full, read-only or fails.
    """
    kinds = [("place", "<f4", 3), ("colour", "u1", 3)]
    named = [f"property float {axis}" for axis in "xyz"]
    named += [f"property uchar {channel}" for channel in ("red", "green", "blue")]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {count}", *named]
    written = 0
    with path.open("wb") as file:
        file.write("\n".join([*head, "end_header", ""]).encode())
        for places, colours in depth:
            rows = np.empty(len(places), np.dtype(kinds))
            rows["place"], rows["colour"] = places, colours
            file.write(rows.tobytes())
            written += len(rows)
    return written
