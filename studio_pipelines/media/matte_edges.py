"""Move and soften the edge of a matte."""

import cv2
import numpy as np

from studio_pipelines.media.coverage import Alpha
from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.matte import feathered

_STEP_PX = 3
_BAND_PIXELS = 1 << 20


def choked(alpha: Alpha, inward_px: float) -> Alpha:
    """Move the edge of a matte inward, or outward where the distance is below 0.

    Grey erosion or dilation by a disc, a large one in several steps; of a distance between whole
    pixels the two next to it are mixed.

    Args:
        alpha: Shape (height, width).
        inward_px: -50 to 50.
    """
    if inward_px == 0:
        return alpha
    whole, part = divmod(abs(inward_px), 1)
    near = _moved(alpha, int(whole), inward=inward_px > 0)
    if part == 0:
        return near
    far = _moved(near, 1, inward=inward_px > 0)
    out = np.empty_like(alpha)
    for rows in bands(*alpha.shape):
        mixed = near[rows] * np.float32(1 - part) + far[rows] * np.float32(part)
        out[rows] = np.rint(mixed)
    return out


def _moved(alpha: Alpha, distance_px: int, *, inward: bool) -> Alpha:
    if distance_px == 0:
        return alpha
    steps = [_STEP_PX] * (distance_px // _STEP_PX)
    steps += [distance_px % _STEP_PX] if distance_px % _STEP_PX else []
    move = cv2.erode if inward else cv2.dilate
    height, width = alpha.shape
    out = np.empty_like(alpha)
    for rows in bands(height, width, _BAND_PIXELS):
        top, bottom = max(0, rows.start - distance_px), min(height, rows.stop + distance_px)
        part = alpha[top:bottom]
        for step in steps:
            side = 2 * step + 1
            disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
            part = move(part, disc, borderType=cv2.BORDER_REPLICATE)
        out[rows] = part[rows.start - top : rows.stop - top]
    return out


def edged(alpha: Alpha, *, choke_px: float, feather_px: float) -> Alpha:
    """Return a matte with its edge moved, then softened by a Gaussian of this many pixels."""
    return feathered(choked(alpha, choke_px), feather_px)
