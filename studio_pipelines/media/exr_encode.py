"""Encode OpenEXR pictures through OpenImageIO."""

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import OpenImageIO

from studio_pipelines.media import sniff
from studio_pipelines.media.image_encode import EncodedPicture
from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.picture import Picture

Sample = Literal["half", "float"]

_CHANNELS: Final = ("R", "G", "B", "A")
_HALF_MAX: Final = 65504.0
_BAND_PIXELS: Final = 1 << 20


def encode_exr(
    picture: Picture,
    path: Path,
    *,
    samples: Sample = "half",
    colour_space: str | None = None,
    channels: tuple[str, ...] = _CHANNELS,
) -> EncodedPicture:
    """Write a picture to an OpenEXR file, losslessly compressed.

    Args:
        picture: float32, RGB or RGBA, or one plane. Straight alpha is multiplied into the colours,
            as the format wants it. Values beyond a half's 65504 are held to it.
        path: The file, created or overwritten; removed again when encoding fails.
        samples: 16- or 32-bit floating point.
        colour_space: Name of the values' colour space, kept in the file.
        channels: The planes' names; ``Z`` is depth.

    Raises:
        OSError: The disk is full, read-only or fails.
    """
    spec = OpenImageIO.ImageSpec(picture.width_px, picture.height_px, picture.channels, samples)
    spec.channelnames = channels[: picture.channels]
    spec.attribute("compression", "zip")
    if colour_space is not None:
        spec.attribute("oiio:ColorSpace", colour_space)
    file: Any = OpenImageIO.ImageOutput.create("openexr")
    try:
        _require(file.open(str(path), spec), file)
        for rows in bands(picture.height_px, picture.width_px, _BAND_PIXELS):
            block = np.ascontiguousarray(picture.pixels[rows], np.float32)
            if picture.channels == 4:
                block = np.concatenate([block[..., :3] * block[..., 3:], block[..., 3:]], axis=-1)
            if samples == "half":
                block = np.clip(block, -_HALF_MAX, _HALF_MAX)
            _require(file.write_scanlines(rows.start, rows.stop, 0, block), file)
        _require(file.close(), file)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return EncodedPicture(sniff.EXR, path.stat().st_size, ())


def _require(done: bool, file: Any) -> None:
    if not done:
        raise OSError(f"The OpenEXR file could not be written ({file.geterror()}).")
