"""Pixels of each type to float32 planes and back, for a block of pixels.

Each function is compiled once for each pixel type, for which ``itemsize`` is a constant. The loops
run over contiguous values where they can, which keeps them on the vector unit: bytes that lie
three apart would not be.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.lut_kernels import FASTMATH

FLOAT_BYTES: Final = 4
_Floats = NDArray[np.float32]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def normalise(source: Any, peak: np.float32, flat: _Floats) -> None:
    """Write interleaved code values as floats, 0 to 1."""
    scale = np.float32(1) / peak
    for k in range(source.size):
        flat[k] = np.float32(source[k]) * scale


@njit(cache=True, nogil=True, error_model="numpy")
def _planar(flat: _Floats, lanes: int, m: int, x: _Floats) -> None:
    red, green, blue = x[0, :m], x[1, :m], x[2, :m]
    if lanes == 3:
        for k in range(m):
            red[k], green[k], blue[k] = flat[3 * k], flat[3 * k + 1], flat[3 * k + 2]
    else:
        for k in range(m):
            red[k], green[k], blue[k] = flat[4 * k], flat[4 * k + 1], flat[4 * k + 2]


@njit(cache=True, nogil=True, error_model="numpy")
def interleave(x: _Floats, m: int, lanes: int, flat: _Floats) -> None:
    """Write planes as interleaved pixels, leaving any alpha as it is."""
    for k in range(m):
        flat[k * lanes], flat[k * lanes + 1], flat[k * lanes + 2] = x[0, k], x[1, k], x[2, k]


@njit(cache=True, nogil=True, error_model="numpy")
def copy_alpha(flat: _Floats, m: int, out: _Floats) -> None:
    """Copy the fourth value of m interleaved pixels."""
    for k in range(m):
        out[4 * k + 3] = flat[4 * k + 3]


@njit(cache=True, nogil=True, error_model="numpy")
def look_up_codes(source: Any, lanes: int, m: int, curves: _Floats, x: _Floats) -> None:
    """Spread interleaved integers over planes, each through its channel's table of all codes."""
    for c in range(3):
        curve, channel = curves[c], x[c, :m]
        for k in range(m):
            channel[k] = curve[np.intp(source[k * lanes + c])]


@njit(cache=True, nogil=True, error_model="numpy")
def load(source: Any, lanes: int, m: int, peak: np.float32, flat: _Floats, x: _Floats) -> None:
    """Spread interleaved code values over planes, 0 to 1; ``flat`` is scratch."""
    if source.itemsize == FLOAT_BYTES:
        _planar(source, lanes, m, x)
    else:
        normalise(source, peak, flat)
        _planar(flat, lanes, m, x)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def store(values: _Floats, peak: np.float32, target: Any) -> None:
    """Write values as code values: integers rounded and held to their range, floats as is."""
    zero, half = np.float32(0), np.float32(0.5)
    if target.itemsize == FLOAT_BYTES:
        for k in range(target.size):
            target[k] = values[k]
    else:
        for k in range(target.size):
            target[k] = np.int32(min(peak, max(zero, values[k] * peak + half)))
