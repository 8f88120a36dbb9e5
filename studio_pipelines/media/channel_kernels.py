"""The grade's per-channel stages on float32 pixels; ``grade`` states the same in NumPy."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.float_power import float_power

GAIN: Final = 1
CONTRAST: Final = 2
CDL: Final = 4
OFFSET: Final = 8
"""Bits that choose stages; OFFSET is the gain in a logarithmic space, and excludes GAIN."""

PARAMETERS: Final = ("gain", "contrast", "pivot", "slope", "offset", "power")

_F32: Final = np.float32
_TINY: Final = np.float32(1e-30)
_FASTMATH: Final = {"nsz", "contract"}
_Floats = NDArray[np.float32]


@njit(cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")
def _gain(x: _Floats, gain: np.float32) -> None:
    """Scale the light behind sRGB code values (IEC 61966-2-1), mirrored below zero."""
    zero, one = _F32(0), _F32(1)
    for k in range(x.size):
        v = x[k]
        a = abs(v)
        curved = float_power((a + _F32(0.055)) * _F32(1 / 1.055), _F32(2.4))
        light = (curved if a > _F32(0.04045) else a * _F32(1 / 12.92)) * gain
        floor = max(_TINY, light)
        coded = _F32(1.055) * float_power(floor, _F32(1 / 2.4)) - _F32(0.055)
        coded = coded if light > _F32(0.0031308) else light * _F32(12.92)
        x[k] = coded * (one if v >= zero else -one)


@njit(cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")
def _offset(x: _Floats, offset: np.float32) -> None:
    for k in range(x.size):
        x[k] = x[k] + offset


@njit(cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")
def _contrast(x: _Floats, contrast: np.float32, pivot: np.float32) -> None:
    for k in range(x.size):
        x[k] = (x[k] - pivot) * contrast + pivot


@njit(cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")
def _slope_offset_power(
    x: _Floats, slope: np.float32, offset: np.float32, power: np.float32
) -> None:
    zero, one = _F32(0), _F32(1)
    for k in range(x.size):
        v = x[k] * slope + offset
        v = max(zero, v)
        v = min(one, v)
        if power != one:
            raised = float_power(max(_TINY, v), power)
            v = raised if v > _TINY else zero
        x[k] = v


@njit(cache=True, nogil=True, error_model="numpy")
def shape_channel(x: _Floats, parameters: _Floats, stages: int) -> None:
    """Run the chosen stages on one channel in place; ``parameters`` are as in PARAMETERS."""
    if stages & GAIN:
        _gain(x, parameters[0])
    if stages & OFFSET:
        _offset(x, parameters[0])
    if stages & CONTRAST:
        _contrast(x, parameters[1], parameters[2])
    if stages & CDL:
        _slope_offset_power(x, parameters[3], parameters[4], parameters[5])
