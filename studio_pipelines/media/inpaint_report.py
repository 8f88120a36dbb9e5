"""What an inpainted picture shows of its making: whether the rest was left alone, and the seam."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.picture import Pixels

Mask = NDArray[np.bool_]
_Floats = NDArray[np.float32]

_CROSS: Final = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
_FLATTEST: Final = 0.5


def outside_unchanged(before: Pixels, after: Pixels, hole: Mask) -> bool:
    """Return whether two pictures are equal, bit by bit, in every pixel outside the hole."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return False
    return all(
        bool(((before[rows] == after[rows]).all(axis=-1) | hole[rows]).all())
        for rows in bands(*hole.shape)
    )


def seam_score(pixels: Pixels, hole: Mask) -> float:
    """Return how much more the picture changes across the hole's rim than beside it.

    It is the mean step between neighbours of which one is in the hole, over the mean step between
    neighbours on the same side within two pixels of the rim; 1 is a seam that cannot be found,
    2 one across which the picture changes twice as much. Steps are largest differences of a
    colour, in 8-bit code values, half a value added to both means.

    Args:
        pixels: (height, width, channels) with the hole filled.
        hole: (height, width); a hole without a rim scores 1.
    """
    across: list[float] = []
    beside: list[float] = []
    for rows in bands(*hole.shape):
        around = slice(max(0, rows.start - 3), rows.stop + 1)
        part = hole[around]
        if not part.any() or part.all():
            continue
        eight = part.view(np.uint8)
        rim = (cv2.dilate(eight, _CROSS, iterations=2) - cv2.erode(eight, _CROSS, iterations=2)) > 0
        for axis in (0, 1):
            steps, crosses, close = _steps(pixels[around], part, rim, axis)
            across += [float(steps[crosses].sum()), float(crosses.sum())]
            beside += [float(steps[close].sum()), float(close.sum())]
    if not sum(across[1::2]) or not sum(beside[1::2]):
        return 1.0
    means = [sum(found[::2]) / sum(found[1::2]) for found in (across, beside)]
    return (means[0] + _FLATTEST) / (means[1] + _FLATTEST)


def _steps(pixels: Pixels, hole: Mask, rim: Mask, axis: int) -> tuple[_Floats, Mask, Mask]:
    scale = np.float32(255 / PEAKS[pixels.dtype.name])
    colours = pixels[..., :3].astype(np.float32) * scale
    steps = np.abs(np.diff(colours, axis=axis)).max(axis=-1)
    first = [slice(None)] * 2
    second = [slice(None)] * 2
    first[axis], second[axis] = slice(None, -1), slice(1, None)
    crosses = hole[tuple(first)] != hole[tuple(second)]
    close = rim[tuple(first)] & rim[tuple(second)] & ~crosses
    return steps, crosses, close
