"""How different two pictures look, and what a grade did to the second.

CIEDE2000 is after Sharma, Wu and Dalal, *The CIEDE2000 Color-Difference Formula: Implementation
Notes, Supplementary Test Data, and Mathematical Observations* (2005).
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.banding import banding_estimate
from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.picture import Pixels

_MAX_SAMPLES: Final = 1 << 18
_POW25_7: Final = 25.0**7
_RGB_TO_XYZ: Final = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_Doubles = NDArray[np.float64]
_WHITE_TO_ONE: _Doubles = np.diag(1 / _RGB_TO_XYZ.sum(axis=1))
_XYZ_TO_RGB: _Doubles = np.linalg.inv(_RGB_TO_XYZ.T @ _WHITE_TO_ONE).astype(np.float64)


@njit(cache=True, nogil=True)
def _hue(b: float, a: float) -> float:
    """Return the angle of (a, b) in radians, 0 to 2π; 0 for grey."""
    if a == 0.0 and b == 0.0:
        return 0.0
    return math.atan2(b, a) % (2 * math.pi)


@njit(cache=True, nogil=True)
def _hue_terms(h1: float, h2: float, grey: bool) -> tuple[float, float]:
    """Return (hue difference, mean hue) in radians, equations 10 and 14."""
    if grey:
        return 0.0, h1 + h2
    difference, total = h2 - h1, h1 + h2
    if abs(difference) <= math.pi:
        return difference, total / 2
    mean = total / 2 + (math.pi if total < 2 * math.pi else -math.pi)
    return difference + (2 * math.pi if difference < -math.pi else -2 * math.pi), mean


@njit(cache=True, nogil=True)
def _ciede2000(lab1: _Doubles, lab2: _Doubles) -> float:
    l1, a1, b1 = lab1[0], lab1[1], lab1[2]
    l2, a2, b2 = lab2[0], lab2[1], lab2[2]
    mean7 = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * math.sqrt(mean7 / (mean7 + _POW25_7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    dh, h = _hue_terms(_hue(b1, a1), _hue(b2, a2), c1 * c2 == 0.0)
    dl, dc, dhue = l2 - l1, c2 - c1, 2 * math.sqrt(c1 * c2) * math.sin(dh / 2)
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 - 0.17 * math.cos(h - math.radians(30)) + 0.24 * math.cos(2 * h)
    t += 0.32 * math.cos(3 * h + math.radians(6)) - 0.20 * math.cos(4 * h - math.radians(63))
    centred = (lightness - 50) ** 2
    sl = 1 + 0.015 * centred / math.sqrt(20 + centred)
    sc, sh = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    chroma7 = chroma**7
    turn = math.radians(60) * math.exp(-(((math.degrees(h) - 275) / 25) ** 2))
    rt = -2 * math.sqrt(chroma7 / (chroma7 + _POW25_7)) * math.sin(turn)
    x, y, z = dl / sl, dc / sc, dhue / sh
    return math.sqrt(max(x * x + y * y + z * z + rt * y * z, 0.0))


@njit(cache=True, nogil=True)
def _ciede2000_rows(lab1: _Doubles, lab2: _Doubles, out: _Doubles) -> None:
    for k in range(out.size):
        out[k] = _ciede2000(lab1[k], lab2[k])


def delta_e_2000(lab1: _Doubles, lab2: _Doubles) -> _Doubles:
    """Return CIEDE2000 with all weights 1 between CIELAB colours of shape (..., 3)."""
    first = np.ascontiguousarray(lab1, np.float64).reshape(-1, 3)
    second = np.ascontiguousarray(lab2, np.float64).reshape(-1, 3)
    out = np.empty(len(first))
    _ciede2000_rows(first, second, out)
    return out.reshape(lab1.shape[:-1])


def srgb_to_lab(codes: NDArray[Any]) -> _Doubles:
    """Return CIELAB under D65 (IEC 61966-2-1 and its white) of sRGB codes (..., 3), held to 0-1."""
    v = np.clip(np.nan_to_num(codes.astype(np.float64), nan=0.0), 0, 1)
    light = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    xyz: _Doubles = light @ (_RGB_TO_XYZ.T / _RGB_TO_XYZ.sum(axis=1))
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * ((29 / 6) ** 2 / 3) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_srgb(lab: _Doubles) -> _Doubles:
    """Return the sRGB codes of CIELAB colours (..., 3) under D65; beyond 0-1 outside the gamut."""
    light: _Doubles = lab_to_xyz(lab) @ _XYZ_TO_RGB
    curved = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, curved)


def lab_to_xyz(lab: _Doubles) -> _Doubles:
    """Return XYZ as shares of the white's, of CIELAB colours (..., 3)."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    return np.where(f > 6 / 29, f**3, (f - 4 / 29) * (3 * (6 / 29) ** 2))


def grade_verification(before: Pixels, after: Pixels) -> dict[str, float | int]:
    """Measure what a grade did, on an even grid of at most 262 144 pixels.

    Args:
        before: uint8, uint16 or float32 sRGB code values, shape (height, width, 3 or 4).
        after: The graded picture of the same height and width, of any of these types.

    Returns:
        ``meanDeltaE2000`` and ``maxDeltaE2000``; ``clippedShareBefore`` and ``clippedShareAfter``,
        the shares of pixels with a channel at or beyond an end of the range;
        ``bandingEstimate``, 0 to 1, see :func:`studio_pipelines.media.banding.banding_estimate`;
        and ``samples``, the number of pixels in the grid.
    """
    height, width = before.shape[:2]
    step = max(1, math.ceil(math.sqrt(height * width / _MAX_SAMPLES)))
    first, second = _grid(before, step), _grid(after, step)
    difference = delta_e_2000(srgb_to_lab(first), srgb_to_lab(second))
    return {
        "meanDeltaE2000": float(difference.mean()),
        "maxDeltaE2000": float(difference.max()),
        "clippedShareBefore": _clipped_share(first),
        "clippedShareAfter": _clipped_share(second),
        "bandingEstimate": banding_estimate(before, after),
        "samples": difference.size,
    }


def _grid(pixels: Pixels, step: int) -> _Doubles:
    # Half a step in, so that the grid is centred.
    start = step // 2
    picked = pixels[start::step, start::step, :3].astype(np.float64)
    return picked / PEAKS[pixels.dtype.name]


def _clipped_share(codes: _Doubles) -> float:
    return float(((codes <= 0) | (codes >= 1)).any(axis=-1).mean())
