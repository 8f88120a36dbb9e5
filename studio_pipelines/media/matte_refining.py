"""From a rough idea of the subject, or a trimap, to a matte of the picture's full size."""

from collections.abc import Callable
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.coverage import Alpha
from studio_pipelines.media.guided_matte import guide_coefficients, matte_at_full_size
from studio_pipelines.media.layer import Layer
from studio_pipelines.media.resampling import resized, resized_shares
from studio_pipelines.media.trimap import FOREGROUND, UNKNOWN, Trimap, half_width_px

Refinement = Literal["closedForm", "guided", "none"]
Solve = Callable[[NDArray[np.float32], Trimap, NDArray[np.float32]], NDArray[np.float32]]
"""From code values, a trimap and what is wished in its unknown part, to alpha; see closed_form."""

WORKING_PIXELS: Final = 1_000_000
"""Refinement works on at most so many; the guided filter brings what it finds to full size."""

_GUIDE_RADIUS_PX: Final = 2
_GUIDE_SOFTNESS: Final = 1e-4
_MOST_RADIUS_PX: Final = 32
_COARSE_SOFTNESS: Final = 1e-4
_Floats = NDArray[np.float32]


def working_size(layer: Layer) -> tuple[int, int]:
    """Return the height and width that refinement works at."""
    height, width = layer.size
    scale = min(1.0, (WORKING_PIXELS / (height * width)) ** 0.5)
    return max(1, round(height * scale)), max(1, round(width * scale))


def plain_matte(shares: _Floats, layer: Layer) -> Alpha:
    """Return a network's answer, of any size, as a matte of the picture's size, as it is."""
    codes = np.rint(np.clip(shares, 0, 1) * 65535).astype(np.uint16)
    return resized_shares(codes, *layer.size)


def refined_matte(
    layer: Layer, shares: _Floats, trimap: Trimap, solve: Solve | None = None
) -> Alpha:
    """Fit a matte to the picture's edges.

    Args:
        layer: The picture.
        shares: How surely each pixel is the subject, 0 to 1, of any size.
        trimap: What is known, of :func:`working_size`.
        solve: Finds alpha in the unknown part; None is the guided filter alone.

    Returns:
        Of the picture's size.
    """
    height, width = working_size(layer)
    small = resized(layer, height, width)
    codes = small.codes.astype(np.float32) / np.float32(PEAKS[small.codes.dtype.name])
    rough = resampled(shares, height, width)
    fitted = _guided(codes, rough, trimap) if solve is None else solve(codes, trimap, rough)
    coefficients = guide_coefficients(
        codes, fitted, radius_px=_GUIDE_RADIUS_PX, softness=_GUIDE_SOFTNESS
    )
    return matte_at_full_size(layer.codes, coefficients, trimap)


def _guided(codes: _Floats, rough: _Floats, trimap: Trimap) -> _Floats:
    # Windows have to see both sides of what is unknown.
    wanted_px = round(1.5 * half_width_px(trimap))
    radius_px = min(_MOST_RADIUS_PX, max(_GUIDE_RADIUS_PX, wanted_px))
    factors = guide_coefficients(codes, rough, radius_px=radius_px, softness=_COARSE_SOFTNESS)
    fitted: _Floats = (factors[..., :3] * codes).sum(axis=-1) + factors[..., 3]
    known: _Floats = (trimap == FOREGROUND).astype(np.float32)
    return np.where(trimap == UNKNOWN, np.clip(fitted, 0, 1), known)


def resampled(shares: _Floats, height_px: int, width_px: int) -> _Floats:
    """Scale a small array of shares, 0 to 1."""
    if shares.shape == (height_px, width_px):
        return shares
    shrinks = height_px * width_px < shares.size
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    scaled: Any = cv2.resize(shares, (width_px, height_px), interpolation=way)
    return np.clip(scaled, 0, 1)
