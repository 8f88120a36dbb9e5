"""Bring a depth map to its picture's full size, its edges on the picture's.

The guided filter as for mattes (:mod:`studio_pipelines.media.guided_matte`): its coefficients are
found at the map's size and applied at the picture's. What is found is held between the values
around it, so that a pattern of the picture does not become relief.
"""

from typing import Any, Final

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.blend_kernels import bilinear
from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.guided_matte import guide_coefficients
from studio_pipelines.media.thread_crew import ThreadCrew

_Floats = NDArray[np.float32]
RADIUS_PX: Final = 4
SOFTNESS: Final = 1e-3
_AROUND: Final = 3
_PIECE_PIXELS: Final = 1 << 19


@njit(cache=True, nogil=True, error_model="numpy")
def follow_picture(
    codes: Any, peak: np.float32, coefficients: _Floats, bounds: _Floats, top: int, scale: Any,
    out: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Write rows of the map at the picture's size.

    Args:
        codes: Rows of the picture, with 1, 3 or 4 channels.
        peak: Their code for 1.
        coefficients: Factors of red, green and blue, and what is added, at a smaller size.
        bounds: Lowest and highest value around each place there: (height, width, 2).
        top: Number of the first row.
        scale: Pixels of the smaller size for one of the picture, down and across.
        out: float32.
    """
    is_grey = codes.shape[2] == 1
    for y in range(out.shape[0]):
        low_y = (top + y + 0.5) * scale[0] - 0.5
        for x in range(out.shape[1]):
            low_x = (x + 0.5) * scale[1] - 0.5
            value = bilinear(coefficients, low_y, low_x, 3)
            for c in range(3):
                code = np.float32(codes[y, x, 0 if is_grey else c]) / peak
                value += bilinear(coefficients, low_y, low_x, c) * code
            least = bilinear(bounds, low_y, low_x, 0)
            most = bilinear(bounds, low_y, low_x, 1)
            out[y, x] = min(most, max(least, value))


def at_full_size(values: _Floats, small_codes: _Floats, codes: NDArray[Any]) -> _Floats:
    """Return a map of the picture's size.

    Args:
        values: The map, shape (h, w).
        small_codes: The picture's code values at the map's size, 0 to 1, (h, w, 3).
        codes: The picture, (height, width, channels).
    """
    height, width = codes.shape[:2]
    out = np.empty((height, width), np.float32)
    low, high = float(values.min()), float(values.max())
    span = np.float32(max(high - low, 1e-12))
    shares = (values - np.float32(low)) / span
    coefficients = (
        guide_coefficients(small_codes, shares, radius_px=RADIUS_PX, softness=SOFTNESS) * span
    )
    coefficients[..., 3] += np.float32(low)
    kernel = np.ones((_AROUND, _AROUND), np.uint8)
    bounds: Any = np.stack([cv2.erode(values, kernel), cv2.dilate(values, kernel)], axis=-1)
    scale = (values.shape[0] / height, values.shape[1] / width)
    peak = np.float32(PEAKS[codes.dtype.name])

    def loop(start: int, stop: int) -> None:
        rows = slice(start, stop)
        follow_picture(codes[rows], peak, coefficients, bounds, start, scale, out[rows])

    with ThreadCrew() as crew:
        crew.share(height, max(1, _PIECE_PIXELS // width), loop)
    return out
