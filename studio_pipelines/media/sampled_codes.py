"""A few of a picture's colours, for what is measured of them."""

from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.image_encode import has_fitting_profile, vips_image
from studio_pipelines.media.interruptible import run_interruptibly
from studio_pipelines.media.picture import Picture

_MAX_SAMPLES: Final = 1 << 16
_Doubles = NDArray[np.float64]


def sampled_codes(picture: Picture, *, as_in: Picture | None = None) -> _Doubles:
    """Return an even grid of a picture's colours, at most about 65 536 of them.

    Pixels that are wholly transparent, and values that are not finite, don't count.

    Args:
        picture: RGB or RGBA.
        as_in: Another picture: the colours are converted from the one's ICC profile to the
            other's, through 8 bits; sRGB is what a picture without a profile is taken for.

    Returns:
        Code values, 0 to 1, shape (n, 3), n at least 1.

    Raises:
        UnusableMedia: Nothing in the picture can be seen.
    """
    step = max(1, int(np.ceil(np.sqrt(picture.height_px * picture.width_px / _MAX_SAMPLES))))
    grid = picture.pixels[step // 2 :: step, step // 2 :: step]
    codes = grid.reshape(-1, grid.shape[-1]).astype(np.float64) / PEAKS[grid.dtype.name]
    seen = np.isfinite(codes).all(axis=1)
    if codes.shape[1] == 4:
        seen &= codes[:, 3] > 0
    colours = np.clip(codes[seen, :3], 0, 1)
    if not len(colours):
        raise UnusableMedia("Nothing in the picture can be seen: all of it is transparent.")
    own, other = _profile(picture), None if as_in is None else _profile(as_in)
    if as_in is None or own == other:
        return colours
    return _converted(colours, own, other)


def _profile(picture: Picture) -> bytes | None:
    return picture.icc_profile if has_fitting_profile(picture) else None


def _converted(colours: _Doubles, source: bytes | None, target: bytes | None) -> _Doubles:
    row = Image.fromarray(np.rint(colours * 255).astype(np.uint8)[None])
    shown = ImageCms.profileToProfile(
        row,
        _opened(source),
        _opened(target),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    return np.asarray(shown, np.float64)[0] / 255


def _opened(profile: bytes | None) -> ImageCms.ImageCmsProfile:
    if profile is not None:
        return ImageCms.ImageCmsProfile(BytesIO(profile))
    cms: Any = ImageCms  # half of it has no types
    return ImageCms.ImageCmsProfile(cms.createProfile("sRGB"))


def shrunk_codes(picture: Picture, side_px: int) -> NDArray[np.float32]:
    """Scale a picture, whatever its shape, to a square of code values.

    Args:
        picture: RGB or RGBA; alpha is left out.
        side_px: Width and height of the result.

    Returns:
        0 to 1, shape (side_px, side_px, 3).
    """
    image = vips_image(picture).extract_band(0, n=3).cast("float")
    scales = (side_px / picture.width_px, side_px / picture.height_px)
    small = image.resize(scales[0], vscale=scales[1], kernel="cubic")
    # Here the whole picture is read: libvips computes nothing before.
    memory = run_interruptibly(small.write_to_memory, stop=lambda: small.set_kill(True))
    codes = np.frombuffer(memory, np.float32).reshape(small.height, small.width, 3)
    codes = codes / np.float32(PEAKS[picture.pixels.dtype.name])
    return np.clip(np.nan_to_num(codes), 0, 1)
