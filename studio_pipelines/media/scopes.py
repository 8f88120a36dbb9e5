"""Scopes of a picture before and after a grade: its histogram, and its waveform as an RGB parade.

Both show code values, as broadcast scopes do: 0 is black and 1 white, whatever the picture's depth.
"""

from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.picture import Pixels

_BINS: Final = 256
_PANEL_PX: Final = (600, 256)  # a row for each 8-bit code: none stays empty
_MARGIN_PX: Final = 44
_GAP_PX: Final = 30
_MAX_SAMPLES: Final = 1 << 19
_BACKGROUND: Final = (16, 18, 22)
_GRID: Final = (52, 56, 64)
_INK: Final = (176, 182, 194)
_HUES: Final = np.array([[1.0, 0.28, 0.25], [0.25, 0.9, 0.38], [0.32, 0.5, 1.0]])
_LEVELS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_HEADROOM: Final = 1.6
_Doubles = NDArray[np.float64]


def scopes_png(before: Pixels, after: Pixels) -> bytes:
    """Draw histogram and parade of two pictures beside each other.

    Args:
        before: uint8, uint16 or float32, shape (height, width, 3 or 4).
        after: Likewise, of any size.

    Returns:
        The bytes of an 8-bit RGB PNG file.
    """
    width_px, height_px = _PANEL_PX
    sheet = Image.new(
        "RGB",
        (_MARGIN_PX + 2 * (width_px + _GAP_PX), 2 * (height_px + _MARGIN_PX) + _GAP_PX),
        _BACKGROUND,
    )
    for column, (name, pixels) in enumerate((("Before", before), ("After", after))):
        codes = _sampled(pixels)
        left_px = _MARGIN_PX + column * (width_px + _GAP_PX)
        for row, (kind, panel) in enumerate(
            (("Histogram", _histogram(codes)), ("RGB parade", _parade(codes)))
        ):
            top_px = _MARGIN_PX + row * (height_px + _MARGIN_PX)
            sheet.paste(Image.fromarray(panel), (left_px, top_px))
            _label(sheet, f"{name}: {kind}", left_px, top_px)
            _scale(sheet, left_px, top_px, across=row == 0, numbered=row == 0 or column == 0)
    file = BytesIO()
    sheet.save(file, "PNG", compress_level=6)
    return file.getvalue()


def _sampled(pixels: Pixels) -> _Doubles:
    """Return an even grid of the code values, held to 0 to 1."""
    height, width = pixels.shape[:2]
    step = max(1, int(np.ceil(np.sqrt(height * width / _MAX_SAMPLES))))
    picked = pixels[step // 2 :: step, step // 2 :: step, :3].astype(np.float64)
    return np.clip(np.nan_to_num(picked / PEAKS[pixels.dtype.name], nan=0.0), 0, 1)


def _histogram(codes: _Doubles) -> NDArray[np.uint8]:
    """Fill the area below each channel's counts; where channels overlap their light adds up."""
    width_px, height_px = _PANEL_PX
    flat = codes.reshape(-1, 3)
    counts = np.stack([np.histogram(flat[:, c], _BINS, (0, 1))[0] for c in range(3)]).astype(float)
    # A few codes may hold most of the pixels, the clipped ends above all: they must not flatten
    # the rest, and run out of the panel instead.
    high = np.percentile(counts, 96)
    top = high * _HEADROOM if high > 0 else counts.max()
    at = np.linspace(0, _BINS - 1, width_px)
    shares: list[_Doubles] = [np.interp(at, np.arange(_BINS), row) for row in list(counts / top)]
    heights: _Doubles = np.stack(shares)
    rise = 1 - (np.arange(height_px) + 0.5) / height_px
    filled = rise[:, None, None] <= heights.T[None]
    light = _grid_light(across=True) + (filled @ (_HUES * 0.45)) * 255
    return np.clip(light, 0, 255).astype(np.uint8)


def _parade(codes: _Doubles) -> NDArray[np.uint8]:
    """Plot each channel's code values over the picture's columns, brighter where there are more."""
    width_px, height_px = _PANEL_PX
    third = width_px // 3
    column: NDArray[np.intp] = np.linspace(0, third, codes.shape[1], endpoint=False).astype(np.intp)
    light = _grid_light(across=False)
    for c in range(3):
        row = np.rint((1 - codes[..., c]) * (height_px - 1)).astype(np.intp)
        place = np.add(row * third, column)
        counts = np.bincount(place.ravel(), minlength=height_px * third).astype(float)
        shares = counts.reshape(height_px, third) / max(1.0, codes.shape[0])
        # Per column of the panel; the root lifts thin traces out of the dark.
        shares *= third / max(codes.shape[1], third)
        glow = np.clip(4 * np.sqrt(shares), 0, 1)[..., None]
        light[:, c * third : (c + 1) * third] += glow * _HUES[c] * 235
    return np.clip(light, 0, 255).astype(np.uint8)


def _grid_light(*, across: bool) -> _Doubles:
    width_px, height_px = _PANEL_PX
    light = np.full((height_px, width_px, 3), 26.0)
    for level in _LEVELS:
        if across:
            light[:, round(level * (width_px - 1))] = _GRID
        else:
            light[round((1 - level) * (height_px - 1))] = _GRID
    return light


def _label(sheet: Image.Image, text: str, left_px: int, top_px: int) -> None:
    font = ImageFont.load_default(size=17)
    place = (left_px, top_px - 9)
    ImageDraw.Draw(sheet).text(place, text, font=font, fill=_INK, anchor="ls")


def _scale(sheet: Image.Image, left_px: int, top_px: int, *, across: bool, numbered: bool) -> None:
    width_px, height_px = _PANEL_PX
    font = ImageFont.load_default(size=12)
    canvas = ImageDraw.Draw(sheet)
    for level in _LEVELS if numbered else ():
        if across:
            place = (left_px + level * (width_px - 1), top_px + height_px + 4)
            anchor = "lt" if level == 0 else "rt" if level == 1 else "mt"
        else:
            place = (left_px - 6, top_px + (1 - level) * (height_px - 1))
            anchor = "rt" if level == 1 else "rb" if level == 0 else "rm"
        canvas.text(place, f"{level:g}", font=font, fill=_INK, anchor=anchor)
