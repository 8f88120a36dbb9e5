"""Bring a loaded picture to grey, RGB or RGBA code values, changing as little as possible."""

import pyvips

from studio_pipelines.errors import UnsupportedMedia
from studio_pipelines.media import sniff
from studio_pipelines.media.sniff import MediaType
from studio_pipelines.media.vips_fields import number_field

_GREY = ("b-w", "grey16")


def code_values(image: pyvips.Image, media_type: MediaType) -> tuple[pyvips.Image, list[str]]:
    """Bring a picture to 1, 3 or 4 channels of uint8, uint16 or float32.

    RGB and grey keep their code values and their ICC profile. CMYK and Lab become sRGB, because
    nothing downstream computes in them.

    Args:
        image: An upright picture as libvips loads it.
        media_type: The format that it comes from.

    Returns:
        The picture, and a sentence for each change made.

    Raises:
        UnsupportedMedia: Its samples or channels are of a kind that is not read.
    """
    notes: list[str] = []
    if image.interpretation == "cmyk":
        image = _cmyk_to_srgb(image, notes)
    elif image.interpretation in ("lab", "labs", "labq"):
        image = image.colourspace("srgb" if image.interpretation == "labq" else "rgb16")
        notes.append("The Lab values were converted to sRGB.")
    if image.format == "double":
        image = image.cast("float")
        notes.append("The 64-bit samples were rounded to 32-bit floating point.")
    if image.format not in ("uchar", "ushort", "float"):
        raise UnsupportedMedia(
            f"The picture has {image.format} samples.",
            hint="Export it with 8 or 16 bits, or with 32-bit floating point.",
        )
    image = _three_or_four_channels(image, notes)
    if media_type in (sniff.AVIF, sniff.HEIC):
        image = _use_whole_range(image)
    return image, notes


def _cmyk_to_srgb(image: pyvips.Image, notes: list[str]) -> pyvips.Image:
    own_profile = image.get_typeof("icc-profile-data") != 0
    depth = 16 if image.format == "ushort" else 8
    source = "its own" if own_profile else "a generic"
    notes.append(f"The CMYK values were converted to sRGB through {source} colour profile.")
    return image.icc_transform(
        "srgb", embedded=own_profile, input_profile="cmyk", intent="relative", depth=depth
    )


def _three_or_four_channels(image: pyvips.Image, notes: list[str]) -> pyvips.Image:
    grey = image.interpretation in _GREY
    if grey and image.bands == 2:
        notes.append("The grey picture has transparency; it was made RGB with alpha.")
        image = image[0].bandjoin([image[0], image[0], image[1]])
        return _without_profile(image).copy(
            interpretation="rgb16" if image.format == "ushort" else "srgb"
        )
    if image.bands in (1, 3, 4) and not (grey and image.bands > 1):
        return image
    if grey or image.interpretation in ("srgb", "rgb16", "scrgb", "rgb"):
        kept = 1 if grey else 4
        notes.append(f"Of {image.bands} channels the first {kept} were kept.")
        return image.extract_band(0, n=kept)
    raise UnsupportedMedia(
        f"The picture has {image.bands} channels.", hint="Export it as grey, RGB or RGBA."
    )


def _without_profile(image: pyvips.Image) -> pyvips.Image:
    image = image.copy()
    if image.get_typeof("icc-profile-data"):
        image.remove("icc-profile-data")
    return image


def _use_whole_range(image: pyvips.Image) -> pyvips.Image:
    """Repeat the leading bits of 10- and 12-bit codes below them, so that white is 65535.

    libvips and libheif only shift such codes up: white would be 65472 or 65520.
    """
    bits = number_field(image, "bits-per-sample", 16)
    if image.format != "ushort" or not 8 < bits < 16:
        return image
    return image | (image >> bits)
