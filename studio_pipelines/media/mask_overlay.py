"""A picture with its masks over it, for people to look at."""

import colorsys
from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.mask_region import Region
from studio_pipelines.media.segment_frame import Window

_Picture = NDArray[np.uint8]
_cv: Any = cv2  # half of it has no types

# Steps of the golden ratio round the colour circle: neighbours in the list differ most.
_HUE_STEP: Final = 0.618034
_FIRST_HUE: Final = 0.56
_SHARE: Final = 0.5
_OUTSIDE_LIGHT: Final = 0.55
_INSIDE_COLOUR, _OUTSIDE_COLOUR, _BOX_COLOUR = (40, 200, 80), (230, 50, 50), (255, 210, 40)


def overlay_png(
    view: _Picture,
    window: Window,
    regions: Sequence[Region],
    *,
    points: Sequence[tuple[float, float, bool]] = (),
    box: tuple[float, float, float, float] | None = None,
) -> bytes:
    """Draw masks over a picture, each in its colour and with an outline, and what was asked.

    Args:
        view: The picture, or a window of it, (height, width, 3) sRGB code values.
        window: What part of the picture it shows.
        regions: The masks; smaller ones are drawn over larger ones.
        points: x, y in the picture, and whether it was inside what was meant.
        box: What was drawn around it.

    Returns:
        The bytes of a PNG file of the view's size.
    """
    canvas = view.copy()
    scale = (view.shape[1] / window.width_px, view.shape[0] / window.height_px)
    if len(regions) == 1:
        outside = ~regions[0].sampled(window, view.shape[1], view.shape[0])
        dark = _cv.convertScaleAbs(canvas, alpha=_OUTSIDE_LIGHT)
        _cv.copyTo(dark, outside.view(np.uint8), canvas)
    for number, region in sorted(enumerate(regions), key=lambda one: -one[1].area_px):
        mask = region.sampled(window, view.shape[1], view.shape[0])
        _tint(canvas, mask, colour_of(number), 0 if len(regions) == 1 else _SHARE)
    if box is not None:
        _draw_box(
            canvas, [(box[n] - (window.left, window.top)[n % 2]) * scale[n % 2] for n in range(4)]
        )
    for x, y, inside in points:
        at = ((x - window.left) * scale[0], (y - window.top) * scale[1])
        _draw_point(canvas, at, _INSIDE_COLOUR if inside else _OUTSIDE_COLOUR)
    _, png = _cv.imencode(".png", _cv.cvtColor(canvas, _cv.COLOR_RGB2BGR))
    return png.tobytes()


def colour_of(number: int) -> tuple[int, int, int]:
    """Return the colour of a mask by its place in the list, as sRGB code values."""
    hue = (_FIRST_HUE + number * _HUE_STEP) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _tint(canvas: _Picture, mask: NDArray[np.bool_], colour: Any, share: float) -> None:
    drawn = mask.view(np.uint8)
    if share:
        tone = np.full_like(canvas, colour)
        _cv.copyTo(_cv.addWeighted(canvas, 1 - share, tone, share, 0), drawn, canvas)
    contours, _ = _cv.findContours(drawn, _cv.RETR_CCOMP, _cv.CHAIN_APPROX_NONE)
    width = max(1, round(max(canvas.shape[:2]) / 500))
    _cv.drawContours(canvas, contours, -1, colour, width, lineType=_cv.LINE_AA)


def _draw_box(canvas: _Picture, box: Sequence[float]) -> None:
    first, last = ((round(box[n]), round(box[n + 1])) for n in (0, 2))
    width = max(2, round(max(canvas.shape[:2]) / 350))
    _cv.rectangle(canvas, first, last, (0, 0, 0), width + 2, lineType=_cv.LINE_AA)
    _cv.rectangle(canvas, first, last, _BOX_COLOUR, width, lineType=_cv.LINE_AA)


def _draw_point(canvas: _Picture, at: tuple[float, float], colour: tuple[int, int, int]) -> None:
    middle = round(at[0]), round(at[1])
    radius = max(3, round(max(canvas.shape[:2]) / 120))
    _cv.circle(canvas, middle, radius + 3, (0, 0, 0), _cv.FILLED, lineType=_cv.LINE_AA)
    _cv.circle(canvas, middle, radius + 2, (255, 255, 255), _cv.FILLED, lineType=_cv.LINE_AA)
    _cv.circle(canvas, middle, radius, colour, _cv.FILLED, lineType=_cv.LINE_AA)
