"""Bring a layer to another size, in linear light."""

from typing import Any

import numpy as np
import pyvips

from studio_pipelines.media.blend_kernels import encode_light
from studio_pipelines.media.coverage import FULL, Alpha, Codes
from studio_pipelines.media.image_encode import vips_image
from studio_pipelines.media.interruptible import bands, run_interruptibly
from studio_pipelines.media.layer import Layer, light_image
from studio_pipelines.media.picture import Picture

_BAND_PIXELS = 1 << 21
_LEAST_SHARE = 1e-6


def resized(layer: Layer, height_px: int, width_px: int) -> Layer:
    """Scale a layer; libvips' cubic kernel, widened where it shrinks, keeps fine detail from alias.

    Light is scaled, multiplied by alpha, so that neither dark fringes nor hidden colours appear.

    Args:
        layer: The layer.
        height_px: Of the result.
        width_px: Of the result.
    """
    if layer.size == (height_px, width_px):
        return layer
    light = light_image(layer)
    if layer.alpha is not None:
        share = _alpha_image(layer.alpha)
        light = (light * share).bandjoin(share)
    scaled = _scaled(light, height_px, width_px)
    codes: Any = np.empty((height_px, width_px, 3), layer.codes.dtype)
    alpha = None if layer.alpha is None else np.empty((height_px, width_px), np.uint16)
    for rows in bands(height_px, width_px, _BAND_PIXELS):
        _write_rows(scaled, rows, layer, codes, alpha)
    kept = layer.as_picture(codes)
    return Layer(codes, alpha, layer.curves, kept, layer.notes)


def resized_shares(shares: Alpha, height_px: int, width_px: int) -> Alpha:
    """Scale a matte in the same way."""
    if shares.shape == (height_px, width_px):
        return shares
    scaled = _scaled(_alpha_image(shares), height_px, width_px)
    out = np.empty((height_px, width_px), np.uint16)
    for rows in bands(height_px, width_px, _BAND_PIXELS):
        out[rows] = np.rint(np.clip(_read(scaled, rows)[..., 0], 0, 1) * FULL)
    return out


def _alpha_image(alpha: Alpha) -> pyvips.Image:
    return vips_image(Picture(alpha[..., None])).cast("float") / FULL


def _scaled(image: pyvips.Image, height_px: int, width_px: int) -> pyvips.Image:
    scaled = image.resize(width_px / image.width, vscale=height_px / image.height, kernel="cubic")
    if (scaled.height, scaled.width) != (height_px, width_px):
        # Its own rounding of the size may be off by a pixel.
        scaled = scaled.gravity("north-west", width_px, height_px, extend="copy")
    return scaled


def _read(image: pyvips.Image, rows: slice) -> Any:
    part = image.crop(0, rows.start, image.width, rows.stop - rows.start)
    memory = run_interruptibly(part.write_to_memory, stop=lambda: part.set_kill(True))
    return np.frombuffer(memory, np.float32).reshape(-1, image.width, image.bands)


def _write_rows(
    scaled: pyvips.Image, rows: slice, layer: Layer, codes: Codes, alpha: Alpha | None
) -> None:
    values = _read(scaled, rows)
    light = values[..., :3]
    if alpha is not None:
        share = np.clip(values[..., 3:], 0, 1)
        light = light / np.maximum(share, _LEAST_SHARE)
        alpha[rows] = np.rint(share[..., 0] * FULL)
    flat = np.ascontiguousarray(light, np.float32).reshape(-1, 3)
    encode_light(flat, layer.curves.light, layer.curves.starts, codes[rows].reshape(-1, 3))
