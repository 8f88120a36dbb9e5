"""What is surely the subject, what surely not, and what is to be found out between them."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.coverage import Alpha

Trimap = NDArray[np.uint8]
"""Shape (height, width): 0 background, 128 unknown, 255 foreground."""

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
_SURE: Final = 0.95
_ERODE_SHARE, _DILATE_SHARE = 0.006, 0.010  # of the longer side; chosen with bench/composite.py
_LEAST_PX: Final = 4
_DRAWN_MARGIN: Final = 0.1


def automatic_trimap(
    shares: NDArray[np.float32], erode_px: float | None = None, dilate_px: float | None = None
) -> Trimap:
    """Make a trimap of how surely a network finds the subject.

    Args:
        shares: 0 to 1, shape (height, width).
        erode_px: How far the unknown reaches into the sure subject; None suits the size.
        dilate_px: How far it reaches out of it.
    """
    longest_px = max(shares.shape)
    inward = max(_LEAST_PX, _ERODE_SHARE * longest_px) if erode_px is None else erode_px
    outward = max(_LEAST_PX, _DILATE_SHARE * longest_px) if dilate_px is None else dilate_px
    inside = _shrunk(shares >= _SURE, inward)
    outside = _shrunk(shares <= 1 - _SURE, outward)
    out = np.full(shares.shape, UNKNOWN, np.uint8)
    out[inside > 0] = FOREGROUND
    out[outside > 0] = BACKGROUND
    return out


def _shrunk(mask: NDArray[np.bool_], radius_px: float) -> Any:
    """Return a mask without what lies within a radius of its outside; the picture's edge is none.

    The distance to the nearest pixel outside tells, in one pass for any radius.
    """
    if radius_px <= 0 or mask.all():
        return mask
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return distance > radius_px


def drawn_trimap(shares: Alpha) -> Trimap:
    """Read a trimap that a person or a program has drawn.

    Args:
        shares: Shape (height, width): black is background, white foreground, grey unknown.

    Raises:
        InvalidParameter: It has no unknown pixel, or no known one of each kind.
    """
    values = shares / np.float32(65535)
    out = np.full(shares.shape, UNKNOWN, np.uint8)
    out[values < _DRAWN_MARGIN] = BACKGROUND
    out[values > 1 - _DRAWN_MARGIN] = FOREGROUND
    for code, name in ((BACKGROUND, "black"), (UNKNOWN, "grey"), (FOREGROUND, "white")):
        if not (out == code).any():
            raise InvalidParameter(
                f"The trimap has no {name} pixel.",
                field="trimap",
                hint="Draw black where the background is, white where the subject is, and grey "
                "where it is to be found out.",
            )
    return out


def midway(trimap: Trimap) -> NDArray[np.float32]:
    """Return what a trimap alone says of alpha: between the known parts, by how near each is."""
    known: list[Any] = []
    for code in (BACKGROUND, FOREGROUND):
        elsewhere = (trimap != code).astype(np.uint8)
        known.append(cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_5))
    away: NDArray[np.float32] = known[0] / np.maximum(known[0] + known[1], np.float32(1e-6))
    return away.astype(np.float32)


def half_width_px(trimap: Trimap) -> float:
    """Return about how far the middle of the unknown part lies from what is known; 0 without."""
    unknown = trimap == UNKNOWN
    if not unknown.any() or unknown.all():
        return 0.0
    mask = unknown.astype(np.uint8)
    away = np.array(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)
    # Across a band the distance rises evenly and falls again: its mean is half of its peak.
    return 2 * float(away[unknown].mean())
