"""The demo's picture: what went into the studio beside what came out."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw, ImageFont, ImageOps

WIDTH_PX = 1600
MARGIN_PX = 48
GAP_PX = 8
COLUMN_GAP_PX = 32
HEAD_PX = 84
CAPTION_PX = 34
ROW_GAP_PX = 36
PAPER = "#121417"
INK = "#f2efe9"
FAINT = "#8d939c"


@dataclass(frozen=True)
class Strip:
    """Pictures side by side, of one height, below what they show.

    Attributes:
        caption: What was done.
        note: What was measured of it, in a few words.
        pictures: The files, what went in first.
    """

    caption: str
    note: str
    pictures: tuple[Path, ...]


def draw_contact_sheet(title: str, rows: Sequence[Sequence[Strip]], path: Path) -> None:
    """Draw strips of pictures into one PNG; those of a row share its width.

    Args:
        title: Heading of the sheet.
        rows: The strips, from top to bottom and from left to right.
        path: The PNG to write.

    Raises:
        OSError: A file is no picture, or the sheet cannot be written.
    """
    drawn = [_row(strips) for strips in rows]
    height_px = 2 * MARGIN_PX + HEAD_PX + sum(row.height for row in drawn)
    height_px += ROW_GAP_PX * (len(drawn) - 1)
    sheet = Image.new("RGB", (WIDTH_PX, height_px), PAPER)
    ImageDraw.Draw(sheet).text((MARGIN_PX, MARGIN_PX), title, INK, ImageFont.load_default(40))
    y = MARGIN_PX + HEAD_PX
    for row in drawn:
        sheet.paste(row, (MARGIN_PX, y))
        y += row.height + ROW_GAP_PX
    sheet.save(path)


def _row(strips: Sequence[Strip]) -> Image.Image:
    inner_px = WIDTH_PX - 2 * MARGIN_PX - COLUMN_GAP_PX * (len(strips) - 1)
    drawn = [_strip(strip, inner_px // len(strips)) for strip in strips]
    row = Image.new("RGB", (WIDTH_PX - 2 * MARGIN_PX, max(strip.height for strip in drawn)), PAPER)
    x = 0
    for strip in drawn:
        row.paste(strip, (x, 0))
        x += strip.width + COLUMN_GAP_PX
    return row


def _strip(strip: Strip, width_px: int) -> Image.Image:
    pictures = [_opened(path) for path in strip.pictures]
    inner_px = width_px - GAP_PX * (len(pictures) - 1)
    height_px = round(inner_px / sum(picture.width / picture.height for picture in pictures))
    drawn = Image.new("RGB", (width_px, CAPTION_PX + height_px), PAPER)
    _caption(ImageDraw.Draw(drawn), strip, width_px)
    x = 0.0
    for picture in pictures:
        # Rounded where it begins and ends, so that the last one ends with the strip.
        end = x + height_px * picture.width / picture.height
        last = picture is pictures[-1]
        size = ((width_px if last else round(end)) - round(x), height_px)
        drawn.paste(picture.resize(size, Image.Resampling.LANCZOS), (round(x), CAPTION_PX))
        x = end + GAP_PX
    return drawn


def _caption(draw: ImageDraw.ImageDraw, strip: Strip, width_px: int) -> None:
    draw.text((0, 18), strip.caption, INK, ImageFont.load_default(20), anchor="ls")
    draw.text((width_px, 18), strip.note, FAINT, ImageFont.load_default(16), anchor="rs")


def _opened(path: Path) -> Image.Image:
    """Open a picture upright, in sRGB, on the paper's colour."""
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened)
        profile = opened.info.get("icc_profile")
    if upright.mode in ("RGBA", "LA", "P"):
        upright = upright.convert("RGBA")
        flat = Image.new("RGB", upright.size, PAPER)
        flat.paste(upright, mask=upright.getchannel("A"))
    else:
        flat = upright.convert("RGB")
    return _in_srgb(flat, profile) if profile else flat


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    converted = ImageCms.profileToProfile(
        picture,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    return picture if converted is None else converted
