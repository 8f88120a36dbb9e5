"""What of a picture is to be replaced, as a mask of its pixels."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.limits import media_limits
from studio_pipelines.media.picture import Picture

Mask = NDArray[np.bool_]
_HALF: Final = 0.5


@dataclass(frozen=True)
class Margins:
    """How far a picture is extended on each side, in pixels."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the picture stays as it is."""
        return not (self.left or self.top or self.right or self.bottom)


NO_MARGINS: Final = Margins()


class Sized(Protocol):
    """What has a picture's size."""

    @property
    def width_px(self) -> int:
        """Width in pixels."""
        ...

    @property
    def height_px(self) -> int:
        """Height in pixels."""
        ...


def mask_of(
    drawn: Picture,
    picture: Sized,
    field: str,
    *,
    white_means: str = "white is replaced, black is left alone",
) -> Mask:
    """Return where a drawn mask is white: at least half way from black, and not transparent.

    Of a colour mask the green channel counts, which carries most of the luminance.

    Args:
        drawn: The mask.
        picture: What it is for.
        field: The request field that it came in.
        white_means: What is told to whoever sent a mask that does not fit.

    Raises:
        InvalidParameter: The mask has another size.
    """
    size, wanted = (drawn.width_px, drawn.height_px), (picture.width_px, picture.height_px)
    if size != wanted:
        raise InvalidParameter(
            f"{field}: it has {size[0]} x {size[1]} pixels, and the image, upright, has "
            f"{wanted[0]} x {wanted[1]}.",
            field=field,
            hint=f"Send a mask of the image's size; {white_means}.",
        )
    peak = PEAKS[drawn.pixels.dtype.name]
    white = np.empty(drawn.pixels.shape[:2], bool)
    for rows in bands(drawn.height_px, drawn.width_px):
        part = drawn.pixels[rows]
        shade = part[..., min(1, drawn.channels - 1)].astype(np.float32) / peak
        if drawn.channels == 4:
            shade *= part[..., 3].astype(np.float32) / peak
        white[rows] = shade >= _HALF
    return white


def mask_of_box(box: tuple[float, float, float, float], picture: Picture) -> Mask:
    """Return a rectangle's pixels: those that it covers at least half.

    Args:
        box: Left, top, right and bottom, in pixels of the upright picture.
        picture: What it is for.

    Raises:
        InvalidParameter: The rectangle is empty or lies outside the picture.
    """
    x0, y0, x1, y1 = (round(edge) for edge in box)
    left, right = np.clip((x0, x1), 0, picture.width_px)
    top, bottom = np.clip((y0, y1), 0, picture.height_px)
    if left >= right or top >= bottom:
        raise InvalidParameter(
            f"box is {list(box)}; of the picture's {picture.width_px} x {picture.height_px} pixels "
            "it covers none.",
            field="box",
            hint="Give [x0, y0, x1, y1] in pixels, x0 < x1 and y0 < y1.",
        )
    mask = np.zeros(picture.pixels.shape[:2], bool)
    mask[top:bottom, left:right] = True
    return mask


def expanded(mask: Mask, by_px: int) -> Mask:
    """Return a mask grown by a disc."""
    if by_px == 0:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by_px + 1, 2 * by_px + 1))
    grown = np.empty_like(mask)
    # In bands, because a large disc takes long.
    for rows in bands(*mask.shape, band_pixels=_band_pixels(by_px)):
        above, below = max(0, rows.start - by_px), min(len(mask), rows.stop + by_px)
        part: Any = cv2.dilate(mask[above:below].view(np.uint8), disc)
        grown[rows] = part[rows.start - above : rows.start - above + rows.stop - rows.start] > 0
    return grown


def extended(picture: Picture, margins: Margins) -> tuple[Picture, Mask]:
    """Return a picture on a larger canvas, opaque and black beyond its edges, and what is new.

    Raises:
        InvalidParameter: The canvas would be larger than a picture may be.
    """
    height = margins.top + picture.height_px + margins.bottom
    width = margins.left + picture.width_px + margins.right
    limits = media_limits()
    if height * width > limits.max_pixels or max(height, width) > limits.max_side_px:
        raise InvalidParameter(
            f"extend makes the canvas {width} x {height} pixels; at most {limits.max_pixels:,} "
            f"pixels, and {limits.max_side_px:,} a side, are possible.",
            field="extend",
            hint="Extend it by less, or scale the picture down first.",
        )
    inside = (
        slice(margins.top, margins.top + picture.height_px),
        slice(margins.left, margins.left + picture.width_px),
    )
    pixels: Any = np.zeros((height, width, picture.channels), picture.pixels.dtype)
    if picture.channels == 4:
        pixels[..., 3] = PEAKS[pixels.dtype.name]
    pixels[inside] = picture.pixels
    new = np.ones((height, width), bool)
    new[inside] = False
    return picture.with_pixels(pixels), new


def padded(mask: Mask, margins: Margins) -> Mask:
    """Return a mask on the larger canvas."""
    return np.pad(mask, ((margins.top, margins.bottom), (margins.left, margins.right)))


def transparent(picture: Picture) -> Mask | None:
    """Return where a picture is wholly transparent: its colours there mean nothing."""
    return picture.pixels[..., 3] == 0 if picture.channels == 4 else None


def bled(colours: NDArray[np.float32], void: Mask, hole: Mask) -> NDArray[np.float32]:
    """Return colours in which those that mean nothing are their nearest visible neighbour's.

    Args:
        colours: (height, width, 3).
        void: (height, width) whose colours mean nothing.
        hole: (height, width) what is unknown, and lends no colour.
    """
    visible = ~(void | hole)
    if not void.any() or not visible.any():
        return colours
    found: Any = cv2.distanceTransformWithLabels(
        (~visible).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels: NDArray[np.int32] = found[1]
    by_label = np.zeros((int(labels.max()) + 1, 3), np.float32)
    by_label[labels[visible]] = colours[visible]
    colours = colours.copy()
    colours[void] = by_label[labels[void]]
    return colours


def _band_pixels(by_px: int) -> int:
    return max(1 << 16, (1 << 26) // (2 * by_px + 1))
