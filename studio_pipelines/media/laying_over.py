"""Lay a cut-out over a background: in linear light, or on code values as most programs do.

The operator is ``over`` of Porter and Duff (1984).
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.blend_kernels import lay_over, wrap_light
from studio_pipelines.media.coverage import FULL, Alpha, Codes
from studio_pipelines.media.foreground_colours import PIECE_PIXELS
from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.layer import Layer, light_of
from studio_pipelines.media.resampling import resized, resized_shares
from studio_pipelines.media.thread_crew import ThreadCrew
from studio_pipelines.media.tone_curves import ToneCurves

_GLOW_PIXELS: Final = 250_000
_GLOW_SHARE: Final = 0.012  # of the canvas's longer side
_Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cutout:
    """A subject on a canvas.

    Attributes:
        codes: Its own colours.
        alpha: Its coverage.
    """

    codes: Codes
    alpha: Alpha


def laid_over(
    cutout: Cutout, background: Layer, curves: ToneCurves, light_wrap: float = 0.0
) -> tuple[Codes, Alpha | None]:
    """Lay a cut-out over a background of its size.

    Args:
        cutout: What lies above.
        background: In the cut-out's colours and depth.
        curves: The light that is blended.
        light_wrap: How much of the background's soft light falls around the subject's edge, 0 to 1.

    Returns:
        The result's colours, and its alpha, None where the background is opaque.
    """
    share, total = cutout.alpha, None
    if background.alpha is not None:
        share, total = _over_transparency(cutout.alpha, background.alpha)
    glow = _glow(cutout, background, curves, light_wrap) if light_wrap else None
    out: Any = np.empty_like(cutout.codes)
    height, width = share.shape

    def loop(start: int, stop: int) -> None:
        rows = slice(start, stop)
        above = cutout.codes[rows]
        if glow is not None:
            above = above.copy()
            scale = (glow.shape[0] / height, glow.shape[1] / width)
            wrap_light(above, cutout.alpha[rows], glow, start, scale, curves.light, curves.starts)
        lay_over(above, share[rows], background.codes[rows], curves.light, curves.starts, out[rows])

    with ThreadCrew() as crew:
        crew.share(height, max(1, PIECE_PIXELS // width), loop)
    return out, total


def _over_transparency(above: Alpha, below: Alpha) -> tuple[Alpha, Alpha]:
    """Return the upper layer's share of the result's colour, and the result's alpha."""
    share, total = np.empty_like(above), np.empty_like(above)
    for rows in bands(*above.shape):
        a, b = above[rows] / np.float32(FULL), below[rows] / np.float32(FULL)
        both = a + (1 - a) * b
        total[rows] = np.rint(both * FULL)
        share[rows] = np.rint(a / np.maximum(both, 1e-6) * FULL)
    return share, total


def _glow(cutout: Cutout, background: Layer, curves: ToneCurves, light_wrap: float) -> _Floats:
    """Return the background's soft light, and how much of it reaches where, at a small size."""
    height, width = cutout.alpha.shape
    scale = min(1.0, (_GLOW_PIXELS / (height * width)) ** 0.5)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    blended = Layer(background.codes, None, curves, background.picture)
    light = light_of(resized(blended, *size))
    cover = resized_shares(cutout.alpha, *size).astype(np.float32) / np.float32(FULL)
    sigma_px = max(0.5, _GLOW_SHARE * max(size))
    soft: Any = cv2.GaussianBlur(light, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    near: Any = cv2.GaussianBlur(cover, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    return np.dstack([soft, np.clip(light_wrap * (1 - near), 0, 1)]).astype(np.float32)
