"""Pixels of each type to float32 planes and back, for a block of pixels.

Three functions here have one compiled form for each pixel type; in Python they only stand for it.
The loops run over contiguous values, which is what keeps them on the vector unit: bytes that lie
three apart would not be.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray

from studio_pipelines.media.lut_kernels import FASTMATH, blend_tetrahedra

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


def load(source: Any, lanes: int, m: int, peak: np.float32, flat: _Floats, x: _Floats) -> None:
    """Spread interleaved code values over planes, 0 to 1; ``flat`` is scratch."""
    raise NotImplementedError


@overload(load)
def _typed_load(source: Any, *_rest: Any) -> Callable[..., None]:
    def load_float(
        source: Any, lanes: int, m: int, peak: np.float32, flat: _Floats, x: _Floats
    ) -> None:
        _planar(source, lanes, m, x)

    def load_integer(
        source: Any, lanes: int, m: int, peak: np.float32, flat: _Floats, x: _Floats
    ) -> None:
        normalise(source, peak, flat)
        _planar(flat, lanes, m, x)

    return load_float if source.dtype == types.float32 else load_integer


def store(target: Any, values: _Floats, peak: np.float32) -> None:
    """Write values as code values: integers rounded and held to their range, floats as is."""
    raise NotImplementedError


@overload(store)
def _typed_store(target: Any, *_rest: Any) -> Callable[..., None]:
    if target.dtype == types.float32:

        def store_float(target: Any, values: _Floats, peak: np.float32) -> None:
            for k in range(target.size):
                target[k] = values[k]

        return store_float
    code = np.uint8 if target.dtype == types.uint8 else np.uint16

    def store_integer(target: Any, values: _Floats, peak: np.float32) -> None:
        zero, half = np.float32(0), np.float32(0.5)
        for k in range(target.size):
            v = max(zero, values[k] * peak + half)
            target[k] = code(np.int32(min(peak, v)))

    return store_integer


def blend_straight(
    target: Any, m: int, lattice: _Floats, edge: int, points: Any, share: _Floats, out: _Floats
) -> bool:
    """Blend a block's tetrahedra straight into RGB float pixels; False for any other type."""
    raise NotImplementedError


@overload(blend_straight)
def _typed_blend_straight(target: Any, *_rest: Any) -> Callable[..., bool]:
    def blend_float(
        target: Any, m: int, lattice: _Floats, edge: int, points: Any, share: _Floats, out: _Floats
    ) -> bool:
        # The last pixel goes by way of ``out``: its store would spill past the block.
        blend_tetrahedra(0, m - 1, lattice, edge, target, 3, points, share)
        blend_tetrahedra(m - 1, m, lattice, edge, out, 3, points, share)
        for c in range(3):
            target[3 * m - 3 + c] = out[c]
        return True

    def decline(
        target: Any, m: int, lattice: _Floats, edge: int, points: Any, share: _Floats, out: _Floats
    ) -> bool:
        return False

    return blend_float if target.dtype == types.float32 else decline
