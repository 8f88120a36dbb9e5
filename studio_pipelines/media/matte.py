"""Which pixels a grade acts on, and how much: a drawn mask, a qualifier, and a soft edge."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.picture import Pixels

Matte = NDArray[np.uint8] | NDArray[np.uint16]
"""Shares of shape (height, width), full at 255 or 65535."""

_LEAST_SATURATION: Final = 0.06  # below it a pixel's hue is noise, and counts ever less
_BAND_PIXELS: Final = 1 << 20
_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Qualifier:
    """A range of colours: the pixels within it count in full, those beyond its soft edges not.

    Hue and saturation are those of HSV, luma is Rec. 709's, all of the file's code values.

    Attributes:
        hue_deg: From and to, 0 to 360 degrees (red 0, green 120, blue 240); may run over 360.
            None admits every hue.
        saturation: From and to, 0 to 1.
        luma: From and to, 0 to 1.
        hue_softness_deg: Width of the edge outside the range, 0 to 180.
        saturation_softness: Likewise, 0 to 1.
        luma_softness: Likewise, 0 to 1.
        inverted: Whether the pixels outside the range are meant.

    Raises:
        InvalidParameter: A range is upside down.
    """

    hue_deg: tuple[float, float] | None = None
    saturation: tuple[float, float] = (0.0, 1.0)
    luma: tuple[float, float] = (0.0, 1.0)
    hue_softness_deg: float = 15.0
    saturation_softness: float = 0.1
    luma_softness: float = 0.1
    inverted: bool = False

    def __post_init__(self) -> None:
        for name, (low, high) in (("saturation", self.saturation), ("luma", self.luma)):
            if not low <= high:
                raise InvalidParameter(
                    f"qualifier.{name} runs from {low:g} to {high:g}; it must rise.",
                    field=f"qualifier.{name}",
                )

    def shares(self, pixels: Pixels) -> Matte:
        """Return how much each pixel of (height, width, 3 or 4) counts, as deep as the pixels.

        8-bit pixels get an 8-bit matte, deeper ones 16 bits.
        """
        shape = pixels.shape[:2]
        out: Matte = np.empty(shape, np.uint16)
        if pixels.dtype == np.uint8:
            out = np.empty(shape, np.uint8)
        peak = np.float32(PEAKS[pixels.dtype.name])
        ranges = self._ranges()
        for rows in bands(*shape):
            _qualify(np.ascontiguousarray(pixels[rows]), peak, ranges, self.inverted, out[rows])
        return out

    def _ranges(self) -> _Floats:
        low, high = self.hue_deg or (0.0, 360.0)
        span = high - low if 0 <= high - low <= 360 else (high - low) % 360
        every_hue = self.hue_deg is None or span >= 360
        hue = ((low + span / 2) % 360, 360.0 if every_hue else span / 2, self.hue_softness_deg)
        saturation = (*self.saturation, self.saturation_softness)
        return np.array([hue, saturation, (*self.luma, self.luma_softness)], np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _edge(beyond: float, softness: float) -> float:
    """Return 1 within a range and 0 past its soft edge, smooth between."""
    if beyond <= 0.0:
        return 1.0
    if beyond >= softness:
        return 0.0
    t = 1.0 - beyond / softness
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, nogil=True, error_model="numpy")
def _hue_degrees(r: float, g: float, b: float, chroma: float, highest: float) -> float:
    if highest == r:
        return 60.0 * (((g - b) / chroma) % 6.0)
    if highest == g:
        return 60.0 * ((b - r) / chroma + 2.0)
    return 60.0 * ((r - g) / chroma + 4.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _share(r: float, g: float, b: float, ranges: _Floats) -> float:
    highest, lowest = max(r, g, b), min(r, g, b)
    chroma = highest - lowest
    saturation = chroma / highest if highest > 0.0 else 0.0
    luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
    share = 1.0
    for k, value in ((1, saturation), (2, luma)):
        beyond = max(ranges[k, 0] - value, value - ranges[k, 1])
        share *= _edge(beyond, ranges[k, 2])
    half_span = ranges[0, 1]
    if half_span < 360.0 and share > 0.0:
        if chroma <= 0.0:
            return 0.0
        away = abs(_hue_degrees(r, g, b, chroma, highest) - ranges[0, 0])
        away = min(away, 360.0 - away)
        share *= _edge(away - half_span, ranges[0, 2])
        share *= _edge(_LEAST_SATURATION - saturation, _LEAST_SATURATION)
    return share


@njit(cache=True, nogil=True, error_model="numpy")
def _qualify(
    pixels: Any, peak: np.float32, ranges: _Floats, inverted: bool, out: Any
) -> None:  # pragma: no cover - compiled
    full = 255.0 if out.itemsize == 1 else 65535.0
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            r = min(1.0, max(0.0, pixels[y, x, 0] / peak))
            g = min(1.0, max(0.0, pixels[y, x, 1] / peak))
            b = min(1.0, max(0.0, pixels[y, x, 2] / peak))
            share = _share(r, g, b, ranges)
            out[y, x] = int((1.0 - share if inverted else share) * full + 0.5)


def crossed(matte: Matte, mask: NDArray[Any]) -> Matte:
    """Return the matte with each share multiplied by a mask's, of any of the picture types."""
    out = np.empty_like(matte)
    scale = np.float32(1 / PEAKS[mask.dtype.name])
    for rows in bands(*matte.shape):
        out[rows] = np.rint(matte[rows] * (mask[rows].astype(np.float32) * scale))
    return out


def feathered(matte: NDArray[Any], sigma_px: float) -> NDArray[Any]:
    """Return a matte, of any of the picture types, with its edges softened.

    Three box filters stand for a Gaussian (Wells, 1986): each costs the same for any width.

    Args:
        matte: Shape (height, width).
        sigma_px: Standard deviation, 0 to 500 pixels; 0 leaves the matte as it is.
    """
    if sigma_px == 0:
        return matte
    widths_px = _box_widths_px(sigma_px)
    margin = sum(width_px // 2 for width_px in widths_px)
    out = np.empty_like(matte)
    height, width = matte.shape
    for rows in bands(height, width + 2 * margin, _BAND_PIXELS):
        top, bottom = max(0, rows.start - margin), min(height, rows.stop + margin)
        blurred = matte[top:bottom].astype(np.float32)
        for width_px in widths_px:
            blurred = cv2.blur(blurred, (width_px, width_px), borderType=cv2.BORDER_REPLICATE)
        kept = blurred[rows.start - top : rows.stop - top]
        out[rows] = kept if matte.dtype == np.float32 else np.rint(kept)
    return out


def _box_widths_px(sigma_px: float) -> list[int]:
    """Return three odd widths whose boxes have, together, about the Gaussian's variance.

    A box of w pixels has the variance (w² - 1) / 12.
    """
    narrow = int(np.sqrt(4 * sigma_px**2 + 1))
    narrow -= 1 - narrow % 2
    wide = narrow + 2
    missing = 12 * sigma_px**2 - 3 * (narrow**2 - 1)
    count = min(3, max(0, round(missing / (wide**2 - narrow**2))))
    return [narrow] * (3 - count) + [wide] * count
