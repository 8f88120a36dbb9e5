"""A picture as a layer of a composite: opaque colours, coverage, and what light the codes are."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media import sniff
from studio_pipelines.media.coverage import FULL, Alpha, Codes
from studio_pipelines.media.image_encode import has_fitting_profile, vips_image
from studio_pipelines.media.interruptible import bands, run_interruptibly
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.tone_curves import ToneCurves, icc_curves, srgb_codes, srgb_curves
from studio_pipelines.media.vips_fields import set_bytes_field


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A picture ready to be cut out or laid under another.

    Attributes:
        codes: Its colours, not multiplied by alpha.
        alpha: Its own coverage, or None where it is opaque.
        curves: The light of the codes.
        picture: What its profile, EXIF and density are taken from.
        notes: Plain sentences about what had to be changed.
    """

    codes: Codes
    alpha: Alpha | None
    curves: ToneCurves
    picture: Picture
    notes: tuple[str, ...] = ()

    @property
    def profile(self) -> bytes | None:
        """The ICC profile of the codes; None is sRGB."""
        return self.picture.icc_profile

    @property
    def is_deep(self) -> bool:
        """Whether codes have 16 bits."""
        return self.codes.dtype == np.uint16

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.codes.shape[0], self.codes.shape[1]

    def as_picture(self, codes: Codes, alpha: Alpha | None = None) -> Picture:
        """Return codes, with alpha as a fourth channel where it is given, as a picture."""
        if alpha is None:
            return replace(self.picture, pixels=codes, notes=())
        pixels: Any = np.empty((*alpha.shape, 4), codes.dtype)
        for rows in bands(*alpha.shape):
            pixels[rows, :, :3] = codes[rows]
            pixels[rows, :, 3] = alpha[rows] if self.is_deep else rounded_to_bytes(alpha[rows])
        return replace(self.picture, pixels=pixels, notes=())


def rounded_to_bytes(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Round 16-bit values to 8 bits."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def layer_of(picture: Picture) -> Layer:
    """Return a picture as a layer.

    8 and 16 bits are kept. Floating point is held to 0 to 1 and rounded to 16 bits; OpenEXR's light
    becomes sRGB codes first.
    """
    coloured = picture.as_rgb()
    notes = list(coloured.notes)
    pixels: Any = coloured.pixels
    if pixels.dtype == np.float32:
        pixels = _as_integers(pixels, is_light=picture.source_format == sniff.EXR.mime)
        notes.append("Floating-point values were held to 0 to 1 and rounded to 16 bits.")
    profile = coloured.icc_profile if has_fitting_profile(coloured) else None
    curves = srgb_curves() if profile is None else icc_curves(profile)
    if curves is None:
        curves = srgb_curves()
        notes.append("The colour profile has no tone curves; those of sRGB were used to blend.")
    alpha = None
    if pixels.shape[2] == 4:
        pixels, alpha = _split(pixels)
    kept = replace(coloured, pixels=pixels, icc_profile=profile, has_non_finite=False)
    return Layer(np.ascontiguousarray(pixels), alpha, curves, kept, tuple(notes))


def _as_integers(pixels: NDArray[np.float32], *, is_light: bool) -> NDArray[np.uint16]:
    out = np.empty(pixels.shape, np.uint16)
    for rows in bands(pixels.shape[0], pixels.shape[1], 1 << 20):
        values = np.clip(np.nan_to_num(pixels[rows].astype(np.float64)), 0, 1)
        if is_light:
            values[..., :3] = srgb_codes(values[..., :3])
        out[rows] = np.rint(values * FULL)
    return out


def _split(pixels: Any) -> tuple[Any, Alpha | None]:
    """Return colours and alpha apart; alpha is None where all of it is full."""
    height, width = pixels.shape[:2]
    colours = np.empty((height, width, 3), pixels.dtype)
    alpha = np.empty((height, width), np.uint16)
    factor = np.uint16(257 if pixels.dtype == np.uint8 else 1)
    for rows in bands(height, width):
        colours[rows] = pixels[rows, :, :3]
        alpha[rows] = pixels[rows, :, 3] * factor
    return colours, None if bool((alpha == FULL).all()) else alpha


def converted(layer: Layer, target: Layer) -> Layer:
    """Return a layer in another's colours: its profile and its depth.

    LittleCMS converts, relative colorimetrically, by way of CIELAB in floating point.

    Raises:
        UnusableMedia: The profile has no way into its colours, or is damaged.
    """
    codes: Any = layer.codes
    if layer.profile != target.profile:
        try:
            codes = _through_profiles(layer, target.profile)
        except pyvips.Error as error:
            raise UnusableMedia(
                "The colours of one picture cannot be converted into the other's ICC profile.",
                hint="Give both a usual profile, such as sRGB or Display P3.",
            ) from error
    if codes.dtype != target.codes.dtype:
        codes = _at_depth(codes, target.codes.dtype)
    kept = replace(target.picture, pixels=codes)
    return Layer(codes, layer.alpha, target.curves, kept, layer.notes)


def _through_profiles(layer: Layer, profile: bytes | None) -> Codes:
    image = vips_image(Picture(layer.codes))
    if layer.profile is None:
        lab = image.icc_import(input_profile="srgb", intent="relative", pcs="lab")
    else:
        image = image.copy()
        set_bytes_field(image, "icc-profile-data", layer.profile)
        lab = image.icc_import(embedded=True, intent="relative", pcs="lab")
    depth = 16 if layer.is_deep else 8
    if profile is None:
        shown = lab.icc_export(output_profile="srgb", intent="relative", depth=depth)
    else:
        lab = lab.copy()
        set_bytes_field(lab, "icc-profile-data", profile)
        shown = lab.icc_export(intent="relative", depth=depth)
    memory = run_interruptibly(shown.write_to_memory, stop=lambda: shown.set_kill(True))
    found: Any = np.frombuffer(memory, layer.codes.dtype)
    return found.reshape(layer.codes.shape)


def _at_depth(codes: Any, dtype: Any) -> Codes:
    out: Any = np.empty(codes.shape, dtype)
    for rows in bands(codes.shape[0], codes.shape[1]):
        if dtype == np.uint16:
            out[rows] = codes[rows].astype(np.uint16) * np.uint16(257)
        else:
            out[rows] = rounded_to_bytes(codes[rows])
    return out


def light_image(layer: Layer) -> pyvips.Image:
    """Return the layer's light as a libvips picture of floats, which it computes as it is read."""
    table = layer.curves.light.T if layer.is_deep else layer.curves.light[:, ::257].T
    codes = vips_image(Picture(layer.codes))
    look_up = pyvips.Image.new_from_memory(
        np.ascontiguousarray(table).data, table.shape[0], 1, 3, "float"
    )
    return codes.maplut(look_up)


def light_of(layer: Layer) -> NDArray[np.float32]:
    """Return a small layer's light as an array, shape (height, width, 3)."""
    codes = layer.codes.astype(np.int32) * (1 if layer.is_deep else 257)
    planes = [row[codes[..., c]] for c, row in enumerate(layer.curves.light)]
    return np.stack(planes, axis=-1)
