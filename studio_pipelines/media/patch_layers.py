"""A picture with a hole as a pyramid of layers, each half the size of the one before."""

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.patch_kernels import RADIUS, SIDE

_Floats = NDArray[np.float32]
_Mask = NDArray[np.bool_]

_MAX_LAYERS: Final = 9
_MIN_SIDE_PX: Final = 2 * SIDE
_MIN_SOURCES: Final = 64
# Of a gradient against a colour; 40 is what inpainting on photographs was best with.
_TEXTURE_WEIGHT: Final = math.sqrt(40.0)
_PATCH_KERNEL: Final = np.ones((SIDE, SIDE), np.uint8)


@dataclass(frozen=True, eq=False)
class Layer:
    """One size of a picture with a hole.

    Attributes:
        values: (height, width, 5): red, green, blue, and the mean size of the horizontal and the
            vertical gradient around the pixel; 8-bit code values, whatever the picture's depth.
        hole: (height, width) what is to be filled.
        barred: (height, width) what may not be copied from, beside the hole.
    """

    values: _Floats
    hole: _Mask
    barred: _Mask

    @property
    def usable(self) -> _Mask:
        """Where a patch is whole, known and not barred: its middle can be a source."""
        lost = np.pad((self.hole | self.barred).astype(np.uint8), RADIUS, constant_values=1)
        reached = cv2.dilate(lost, _PATCH_KERNEL)[RADIUS:-RADIUS, RADIUS:-RADIUS]
        return reached == 0

    @property
    def targets(self) -> _Mask:
        """Where a patch reaches into the hole."""
        return cv2.dilate(self.hole.astype(np.uint8), _PATCH_KERNEL) > 0

    def halved(self) -> "Layer":
        """Return the layer at half the size; what is unknown counts for nothing."""
        known = ~self.hole
        weights = _sum_of_four(known.astype(np.float32))
        sums = _sum_of_four(self.values * known[..., None].astype(np.float32))
        whole = _sum_of_four(np.ones(known.shape, np.float32))
        values: Any = sums / np.maximum(weights, np.float32(1e-6))[..., None]
        barred = _sum_of_four(self.barred.astype(np.float32)) > 0
        return Layer(values, weights < np.float32(0.5) * whole, barred)


def depth_of(hole: _Mask) -> _Floats:
    """Return how far each pixel of a hole is from what is known, in pixels."""
    return np.asarray(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def layers_of(colours: _Floats, hole: _Mask, barred: _Mask) -> list[Layer]:
    """Return the layers of a picture, the finest first.

    There are as many as it takes for the hole to be about as deep as a patch, or as there is
    something to copy from.

    Args:
        colours: (height, width, 3) 8-bit code values as floats.
        hole: (height, width) what is to be filled.
        barred: (height, width) what may not be copied from.
    """
    wide = 2 * float(depth_of(hole).max()) / SIDE
    count = int(np.clip(math.ceil(math.log2(max(wide, 1.0))), 1, _MAX_LAYERS - 1))
    values = np.empty((*hole.shape, 5), np.float32)
    values[..., :3] = colours
    values[hole, :3] = 0
    values[..., 3:] = _texture(values[..., :3], ~hole, reach=2 ** min(count, 4) + 1)
    layers = [Layer(values, hole, barred)]
    while len(layers) <= count:
        layer = layers[-1].halved()
        if min(layer.hole.shape) < _MIN_SIDE_PX or layer.usable.sum() < _MIN_SOURCES:
            break
        if not layer.hole.any():  # a scratch, of a pixel's width
            break
        layers.append(layer)
    return layers


def _texture(colours: _Floats, known: _Mask, reach: int) -> _Floats:
    """Mean size of the gradients over a window as wide as a coarse pixel.

    Newson et al., *Video Inpainting of Complex Scenes* (2014): colours alone take a smooth patch
    for a textured one of the same mean.
    """
    grey = colours.mean(axis=-1)
    weights = known.astype(np.float32)
    steps = np.zeros((*grey.shape, 2), np.float32)
    steps[:, 1:, 0] = np.abs(np.diff(grey, axis=1)) * weights[:, 1:] * weights[:, :-1]
    steps[1:, :, 1] = np.abs(np.diff(grey, axis=0)) * weights[1:] * weights[:-1]
    share = cv2.blur(weights, (reach, reach)) + np.float32(1e-6)
    blurred: Any = cv2.blur(steps, (reach, reach))
    return blurred / share[..., None] * np.float32(_TEXTURE_WEIGHT)


def _sum_of_four(values: _Floats) -> _Floats:
    height, width = values.shape[:2]
    edges = [(0, height & 1), (0, width & 1)] + [(0, 0)] * (values.ndim - 2)
    even = np.pad(values, edges)
    return even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
