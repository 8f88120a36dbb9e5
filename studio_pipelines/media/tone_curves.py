"""What light the code values of a picture stand for, and the code values of a light.

Both directions read one table of all 16-bit codes, so that they are each other's inverse for any
curve: sRGB (IEC 61966-2-1), the curves of an ICC profile (ICC.1:2022, 10.6 and 10.18), or those of
video (ITU-T H.273). 8-bit codes are every 257th of it.
"""

import struct
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

CODES: Final = 65536
COARSE: Final = 4096
"""How many equal steps of light the search for a code begins from."""

_SRGB, _PQ, _HLG, _LINEAR = 13, 16, 18, 8
_PARA_COUNTS: Final = (1, 3, 4, 5, 7)
_HEADER_BYTES: Final = 128
_CURVE_TAGS: Final = (b"rTRC", b"gTRC", b"bTRC")
_Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ToneCurves:
    """The light of each code, of red, green and blue.

    Attributes:
        light: 0 to 1, rising, shape (3, 65536).
        starts: The last code that is no lighter than each of 4097 equal steps of light, and once
            more; shape (3, 4098).
    """

    light: NDArray[np.float32]
    starts: NDArray[np.int32]

    @classmethod
    def of(cls, light: _Doubles) -> "ToneCurves":
        """Take curves of shape (3, 65536); what falls is held level, and the ends are 0 and 1."""
        rising = np.maximum.accumulate(np.clip(light, 0, 1), axis=1)
        low, high = rising[:, :1], rising[:, -1:]
        span = np.where(high > low, high - low, 1)
        table = ((rising - low) / span).astype(np.float32)
        steps = np.arange(COARSE + 2, dtype=np.float32) / np.float32(COARSE)
        found = [np.searchsorted(row, steps, "right") - 1 for row in table]
        starts = np.clip(np.stack(found), 0, CODES - 1).astype(np.int32)
        return cls(np.ascontiguousarray(table), starts)


def _codes() -> _Doubles:
    return np.arange(CODES) / (CODES - 1)


def _of_all_channels(light: _Doubles) -> ToneCurves:
    return ToneCurves.of(np.stack([light] * 3))


@cache
def display_curves() -> ToneCurves:
    """Return curves that take code values for light: blending as most programs do it."""
    return _of_all_channels(_codes())


@cache
def srgb_curves() -> ToneCurves:
    """Return the curves of sRGB, which Display P3 shares."""
    return _of_all_channels(srgb_light(_codes()))


def srgb_light(codes: _Doubles) -> _Doubles:
    """Return the light of sRGB code values, 0 to 1."""
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def srgb_codes(light: _Doubles) -> _Doubles:
    """Return the sRGB code values of light, 0 to 1."""
    curved = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, curved)


@cache
def video_curves(transfer: int) -> ToneCurves:
    """Return the curves of a video.

    Args:
        transfer: Its transfer characteristics, a code point of H.273. Other than sRGB, linear, PQ
            and HLG are shown by ITU-R BT.1886 with black at 0: a power of 2.4.
    """
    codes = _codes()
    if transfer == _SRGB:
        return srgb_curves()
    if transfer == _LINEAR:
        return display_curves()
    if transfer == _PQ:  # SMPTE ST 2084
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = codes ** (1 / m2)
        return _of_all_channels((np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))
    if transfer == _HLG:  # ITU-R BT.2100, light of the scene
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return _of_all_channels(
            np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
        )
    return _of_all_channels(codes**2.4)


def icc_curves(profile: bytes) -> ToneCurves | None:
    """Return the curves of an RGB profile, or None where it has none that can be read.

    Args:
        profile: A matrix profile has them; one made of tables has not.
    """
    try:
        tags = _tags(profile)
        with np.errstate(all="ignore"):  # a damaged curve may lead anywhere
            curves = np.stack([_curve(profile, tags[name]) for name in _CURVE_TAGS])
    except (KeyError, ValueError, IndexError, struct.error):
        return None
    return ToneCurves.of(curves) if np.isfinite(curves).all() else None


def _tags(profile: bytes) -> dict[bytes, int]:
    (count,) = struct.unpack_from(">I", profile, _HEADER_BYTES)
    rows = (
        struct.unpack_from(">4sII", profile, _HEADER_BYTES + 4 + 12 * n)
        for n in range(min(count, 100))
    )
    return {name: start for name, start, _ in rows}


def _curve(profile: bytes, start: int) -> _Doubles:
    kind = profile[start : start + 4]
    if kind == b"curv":
        (count,) = struct.unpack_from(">I", profile, start + 8)
        if count == 0:
            return _codes()
        if count == 1:
            (gamma,) = struct.unpack_from(">H", profile, start + 12)
            return _codes() ** (gamma / 256)
        points = np.frombuffer(profile, ">u2", count, start + 12) / (CODES - 1)
        return np.interp(_codes(), np.linspace(0, 1, count), points)
    if kind == b"para":
        (form,) = struct.unpack_from(">H", profile, start + 8)
        count = _PARA_COUNTS[form]
        fixed = struct.unpack_from(f">{count}i", profile, start + 12)
        return _parametric(form, [value / 65536 for value in fixed])
    raise ValueError(kind)


def _parametric(form: int, values: list[float]) -> _Doubles:
    """Return a curve of the forms 0 to 4 of ICC.1:2022, table 68."""
    x, gamma = _codes(), values[0]
    if form == 0:
        return x**gamma
    power = np.maximum(values[1] * x + values[2], 0) ** gamma
    if form == 1:
        return power
    if form == 2:
        return power + values[3]
    slope, end = values[3:5]
    lift, offset = values[5:7] if len(values) > 5 else (0.0, 0.0)
    return np.where(x >= end, power + lift, slope * x + offset)
