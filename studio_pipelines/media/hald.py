"""Hald CLUT images: a 3D LUT stored as a picture."""

import numpy as np

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.lut_table import Lut
from studio_pipelines.media.picture import Pixels


def lut_from_hald(pixels: Pixels) -> Lut:
    """Read a Hald CLUT image.

    A Hald image of level n is a square of n³ pixels that holds a cube of n² points an edge, red
    fastest (Eskil Steenberg's layout, as written by ImageMagick's ``hald:n``).

    Args:
        pixels: uint8, uint16 or float32, shape (n³, n³, 3 or 4); alpha is left out. Integers use
            their whole range; float is 0 to 1.

    Raises:
        UnusableMedia: The picture is not square, or its edge is not n³ for n from 2 to 16.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise UnusableMedia("A Hald image must be in colour (RGB).", field="lut")
    height, width = pixels.shape[:2]
    level = round(height ** (1 / 3))
    if height != width or level**3 != height or not 2 <= level <= 16:
        raise UnusableMedia(
            f"The Hald image is {width} x {height} pixels; it must be a square whose edge is "
            "a cube number: 8, 27, 64, … 512 (level 8), up to 4096 (level 16).",
            field="lut",
        )
    edge = level**2
    values = pixels[..., :3].astype(np.float32)
    values /= np.float32({"uint8": 255, "uint16": 65535}.get(pixels.dtype.name, 1))
    return Lut(table=values.reshape(edge, edge, edge, 3), title=f"Hald level {level}")
