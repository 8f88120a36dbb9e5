"""Small 8-bit sRGB pictures for people to look at."""

from io import BytesIO

import pyvips
from PIL import Image, ImageDraw, ImageFont

from studio_pipelines.media.image_encode import has_fitting_profile, to_integers, vips_image
from studio_pipelines.media.interruptible import run_interruptibly
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.vips_fields import set_bytes_field

_SEAM_PX = 4
_LABEL_HEIGHT_SHARE = 0.045
_LABEL_MIN_PX, _LABEL_MAX_PX = 12, 34


def thumbnail_png(picture: Picture, longest_px: int) -> bytes:
    """Scale a picture down to a PNG preview.

    Colours are converted to sRGB through the picture's ICC profile, where it has one; transparency
    is kept; floating-point values are taken as code values and clipped to 0 to 1.

    Args:
        picture: The picture; it is never enlarged.
        longest_px: The longer side of the preview.

    Returns:
        The bytes of an 8-bit PNG file.
    """
    small = _preview(picture, longest_px)
    return bytes(
        run_interruptibly(
            lambda: small.write_to_buffer(".png", compression=6, keep="none"),
            stop=lambda: small.set_kill(True),
        )
    )


def side_by_side(
    before: Picture,
    after: Picture,
    *,
    height_px: int = 720,
    labels: tuple[str, str] = ("Before", "After"),
) -> bytes:
    """Set two pictures beside each other, each with a small label, as a PNG preview.

    Args:
        before: The picture on the left.
        after: The picture on the right; the two may differ in size and depth.
        height_px: Height of the preview; smaller pictures are not enlarged.
        labels: What is written on each.

    Returns:
        The bytes of an 8-bit RGB PNG file.
    """
    height_px = min(height_px, max(before.height_px, after.height_px))
    panels = [_panel(picture, height_px) for picture in (before, after)]
    width_px = panels[0].width + _SEAM_PX + panels[1].width
    sheet = Image.new("RGB", (width_px, height_px), "white")
    left_px = 0
    for panel, label in zip(panels, labels, strict=True):
        sheet.paste(panel, (left_px, 0))
        _draw_label(sheet, label, left_px)
        left_px += panel.width + _SEAM_PX
    file = BytesIO()
    sheet.save(file, "PNG", compress_level=6)
    return file.getvalue()


def _preview(picture: Picture, longest_px: int, *, height_px: int | None = None) -> pyvips.Image:
    image = to_integers(vips_image(picture), bits=8)
    fitting = picture.icc_profile if has_fitting_profile(picture) else None
    if fitting is not None:
        image = image.copy()
        set_bytes_field(image, "icc-profile-data", fitting)
    size = "down" if height_px is None else "both"
    small = image.thumbnail_image(longest_px, height=height_px or longest_px, size=size)
    if fitting is not None:
        small = small.icc_transform("srgb", embedded=True, intent="relative")
    return small


def _panel(picture: Picture, height_px: int) -> Image.Image:
    small = _preview(picture, 1 << 20, height_px=height_px)
    if small.hasalpha():
        small = small.flatten(background=[255, 255, 255])
    if small.bands == 1:
        small = small.bandjoin([small, small])
    size = (small.width, small.height)
    panel = small.cast("uchar")
    # Here the whole picture is read: libvips computes nothing before.
    pixels = run_interruptibly(panel.write_to_memory, stop=lambda: panel.set_kill(True))
    return Image.frombytes("RGB", size, pixels)


def _draw_label(sheet: Image.Image, label: str, left_px: int) -> None:
    """Write white letters on a dark, rounded, see-through plate, so that any picture carries it."""
    letter_px = round(min(max(sheet.height * _LABEL_HEIGHT_SHARE, _LABEL_MIN_PX), _LABEL_MAX_PX))
    font = ImageFont.load_default(size=letter_px)
    canvas = ImageDraw.Draw(sheet, "RGBA")
    width_px = canvas.textlength(label, font=font)
    margin_px, padding_px = letter_px * 0.7, letter_px * 0.55
    x, y = left_px + margin_px, margin_px
    plate = (x, y, x + width_px + 2 * padding_px, y + letter_px * 1.7)
    canvas.rounded_rectangle(plate, radius=letter_px * 0.5, fill=(0, 0, 0, 150))
    middle = (x + padding_px, y + letter_px * 0.85)
    canvas.text(middle, label, font=font, fill=(255, 255, 255, 255), anchor="lm")
