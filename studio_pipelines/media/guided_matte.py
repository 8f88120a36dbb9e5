"""Fit a matte to the edges of its picture, and bring it to the picture's full size.

The guided filter of He, Sun and Tang (PAMI 2013) with a coloured guide: in each window alpha is a
linear function of the colours. Its coefficients are smooth, so they are found on a smaller picture
and applied to the large one (He and Sun, *Fast Guided Filter*, 2015).
"""

from typing import Any, Final

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.blend_kernels import FULL, bilinear
from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.coverage import Alpha, Codes
from studio_pipelines.media.thread_crew import ThreadCrew
from studio_pipelines.media.trimap import BACKGROUND, FOREGROUND, Trimap

_PIECE_PIXELS: Final = 1 << 19
_ONE, _ZERO, _HALF = np.float32(1), np.float32(0), np.float32(0.5)
_LEVELS: Final = np.float32(0.01)
"""What so small a share is short of 0 or 1 is the filter's, not the subject's."""

_Floats = NDArray[np.float32]
_cv2: Any = cv2  # its types know no float64


def guide_coefficients(
    codes: _Floats, shares: _Floats, *, radius_px: int, softness: float
) -> _Floats:
    """Find how alpha follows colour around each pixel.

    Args:
        codes: The guide, code values 0 to 1, shape (height, width, 3).
        shares: The matte, 0 to 1, shape (height, width).
        radius_px: Of the windows.
        softness: Variance of colour below which nothing is an edge.

    Returns:
        Factors of red, green and blue, and what is added: (height, width, 4).
    """

    def mean(values: Any) -> Any:
        side = 2 * radius_px + 1
        out: Any = _cv2.boxFilter(values, cv2.CV_64F, (side, side), borderType=cv2.BORDER_REFLECT)
        return out

    guide, matte = codes.astype(np.float64), shares.astype(np.float64)
    colour, level = mean(guide), mean(matte)
    follows = mean(guide * matte[..., None]) - colour * level[..., None]
    spread = np.empty((*shares.shape, 3, 3))
    for i in range(3):
        for j in range(i, 3):
            both = mean(guide[..., i] * guide[..., j]) - colour[..., i] * colour[..., j]
            spread[..., i, j] = spread[..., j, i] = both
        spread[..., i, i] += softness
    factors = np.empty((*shares.shape, 4))
    for row in range(len(factors)):  # row by row: a safe point after each
        factors[row, :, :3] = np.linalg.solve(spread[row], follows[row][..., None])[..., 0]
    factors[..., 3] = level - (factors[..., :3] * colour).sum(axis=-1)
    smooth: Any = mean(factors)
    return smooth.astype(np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def follow_guide(
    codes: Any, peak: np.float32, coefficients: _Floats, trimap: Any, top: int, scale: Any, out: Any
) -> None:  # pragma: no cover - compiled
    """Write rows of the matte at the picture's size.

    Args:
        codes: Rows of the picture.
        peak: Their code for 1.
        coefficients: Of :func:`guide_coefficients`, at a smaller size.
        trimap: At the smaller size too; where it knows all around, it has its way.
        top: Number of the first row.
        scale: Pixels of the smaller size for one of the picture, down and across.
        out: uint16.
    """
    height, width = trimap.shape
    for y in range(out.shape[0]):
        low_y = (top + y + 0.5) * scale[0] - 0.5
        upper = min(max(int(np.floor(low_y)), 0), height - 1)
        lower = min(upper + 1, height - 1)
        for x in range(out.shape[1]):
            low_x = (x + 0.5) * scale[1] - 0.5
            left = min(max(int(np.floor(low_x)), 0), width - 1)
            right = min(left + 1, width - 1)
            known = trimap[upper, left]
            same = known == trimap[upper, right]
            same &= known == trimap[lower, left] and known == trimap[lower, right]
            if same and known == FOREGROUND:
                out[y, x] = FULL
            elif same and known == BACKGROUND:
                out[y, x] = 0
            else:
                share = bilinear(coefficients, low_y, low_x, 3)
                for c in range(3):
                    code = np.float32(codes[y, x, c]) / peak
                    share += bilinear(coefficients, low_y, low_x, c) * code
                share = (share - _LEVELS) / (_ONE - np.float32(2) * _LEVELS)
                out[y, x] = int(min(_ONE, max(_ZERO, share)) * np.float32(FULL) + _HALF)


def matte_at_full_size(codes: Codes, coefficients: _Floats, trimap: Trimap) -> Alpha:
    """Apply coefficients to the picture that they were found for, at its full size.

    Args:
        codes: Shape (height, width, 3).
        coefficients: Of :func:`guide_coefficients`.
        trimap: What is known, of the coefficients' size.

    Returns:
        Shape (height, width).
    """
    height, width = codes.shape[:2]
    out = np.empty((height, width), np.uint16)
    scale = (trimap.shape[0] / height, trimap.shape[1] / width)
    peak = np.float32(PEAKS[codes.dtype.name])

    def loop(start: int, stop: int) -> None:
        rows = slice(start, stop)
        follow_guide(codes[rows], peak, coefficients, trimap, start, scale, out[rows])

    with ThreadCrew() as crew:
        crew.share(height, max(1, _PIECE_PIXELS // width), loop)
    return out
