"""A picture as a network is shown it: sRGB, 8 bits, opaque."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.image_encode import has_fitting_profile, vips_image
from studio_pipelines.media.interruptible import run_interruptibly
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.seen_picture import shown
from studio_pipelines.media.segment_frame import Window

_MOST_SIDE_PX: Final = 4096


def window_codes(picture: Picture, window: Window) -> NDArray[np.uint8]:
    """Return a window's code values, (height, width, 3).

    A plain 8-bit picture's own are returned uncopied, so that a network scales what its upstream
    scales; others are converted, at most 4096 pixels long.
    """
    left, top, right, bottom = window.corners
    is_plain = picture.pixels.dtype == np.uint8 and picture.channels == 3
    if is_plain and not has_fitting_profile(picture):
        pixels: Any = picture.pixels[top:bottom, left:right]
        return pixels
    scale = min(1.0, _MOST_SIDE_PX / max(window.width_px, window.height_px))
    size = (max(1, round(window.width_px * scale)), max(1, round(window.height_px * scale)))
    return shown(picture, window, size)


def scaled_codes(picture: Picture, height: int, width: int) -> NDArray[np.float32]:
    """Return a picture's own code values at another size.

    Returns:
        0 to 1, (height, width, 3); grey three times, alpha left out.
    """
    bands = 1 if picture.channels == 1 else 3
    image = vips_image(picture).extract_band(0, n=bands).cast("float")
    scales = (width / picture.width_px, height / picture.height_px)
    image = image.resize(scales[0], vscale=scales[1], kernel="linear")
    # Its own rounding of the size may be off by a pixel.
    image = image.gravity("north-west", width, height, extend="copy")
    memory = run_interruptibly(image.write_to_memory, stop=lambda: image.set_kill(True))
    codes = np.frombuffer(memory, np.float32).reshape(height, width, bands)
    codes = codes / np.float32(PEAKS[picture.pixels.dtype.name])
    return np.ascontiguousarray(np.broadcast_to(np.clip(codes, 0, 1), (height, width, 3)))
