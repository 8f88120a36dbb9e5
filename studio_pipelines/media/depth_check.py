"""What can be said of a depth map without knowing the truth."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]
_EDGE_SHARE: Final = 0.05
_LEAST_EDGES: Final = 20


def edge_agreement(values: _Floats, codes: _Floats) -> float | None:
    """Tell how well the map's edges lie on the picture's.

    Args:
        values: The map, shape (height, width).
        codes: The picture's code values at that size, 0 to 1, (height, width, 3).

    Returns:
        The chance that the picture changes more at one of the map's edges (the steepest twentieth
        of its places) than at another place: 0.5 is none at all, 1 the best. None where one of
        them has no edges.
    """
    steep = _steepness(values[..., None])
    seen = cv2.dilate(_steepness(codes), np.ones((3, 3), np.uint8)).ravel()
    limit = np.quantile(steep, 1 - _EDGE_SHARE)
    at_edges = (steep > limit).ravel()
    count, others = int(at_edges.sum()), int((~at_edges).sum())
    if count < _LEAST_EDGES or not others or not seen.any() or float(np.ptp(seen)) == 0:
        return None
    plain = np.sort(seen[~at_edges])
    below = np.searchsorted(plain, seen[at_edges], "left")
    upto = np.searchsorted(plain, seen[at_edges], "right")
    return float((below + upto).mean() / (2 * others))


def _steepness(planes: _Floats) -> Any:
    across = cv2.Sobel(planes, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(planes, cv2.CV_32F, 0, 1)
    steep: Any = np.hypot(across, down).reshape(*planes.shape[:2], -1)
    return np.ascontiguousarray(steep.max(axis=-1))
