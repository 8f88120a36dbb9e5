"""The demo's picture: what went into the studio beside what came out."""

import io
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw, ImageFont, ImageOps

WIDTH_PX = 1360
MARGIN_PX = 48
GAP_PX = 20
CELL_PX = (WIDTH_PX - 2 * MARGIN_PX - GAP_PX) // 2
PAPER = "#121417"
INK = "#f2efe9"
FAINT = "#8d939c"


class _Column:
    """A sheet that is filled from top to bottom."""

    def __init__(self) -> None:
        self._blocks: list[tuple[Image.Image, int, int]] = []
        self.y = MARGIN_PX

    def text(self, text: str, size_px: int, colour: str, x: int = MARGIN_PX) -> None:
        """Write a line at the present height, which stays."""
        font = ImageFont.load_default(size_px)
        left, _, right, bottom = (round(edge) for edge in font.getbbox(text))
        line = Image.new("RGB", (max(1, right - left), bottom + 4), PAPER)
        ImageDraw.Draw(line).text((-left, 0), text, colour, font)
        self._blocks.append((line, x, self.y))

    def picture(self, picture: Image.Image, x: int = MARGIN_PX) -> None:
        """Place a picture at the present height, which stays."""
        self._blocks.append((picture, x, self.y))

    def down(self, by_px: int) -> None:
        """Go down the sheet."""
        self.y += by_px

    def sheet(self) -> Image.Image:
        """Put everything on paper."""
        sheet = Image.new("RGB", (WIDTH_PX, self.y + MARGIN_PX), PAPER)
        for block, x, y in self._blocks:
            sheet.paste(block, (x, y))
        return sheet


def draw_contact_sheet(
    pairs: list[tuple[str, Path, Path]], loudness: tuple[str, Path], path: Path
) -> None:
    """Draw the pictures before and after, and the master's loudness, into one PNG.

    Args:
        pairs: Caption, picture before and picture after, for each grading.
        loudness: Caption, and the picture of the loudness before and after.
        path: The PNG to write.
    """
    column = _Column()
    column.text("Graded and mastered", 40, INK)
    column.down(64)
    for caption, before, after in pairs:
        _pair(column, caption, before, after)
    caption, curve = loudness
    column.text(caption, 20, INK)
    column.down(36)
    picture = _fitted(curve, WIDTH_PX - 2 * MARGIN_PX)
    column.picture(picture)
    column.down(picture.height)
    column.sheet().save(path)


def _pair(column: _Column, caption: str, before: Path, after: Path) -> None:
    right = MARGIN_PX + CELL_PX + GAP_PX
    column.text(caption, 20, INK)
    column.text("after", 20, FAINT, right)
    column.down(36)
    pictures = [_fitted(path, CELL_PX) for path in (before, after)]
    for picture, x in zip(pictures, (MARGIN_PX, right), strict=True):
        column.picture(picture, x)
    column.down(max(picture.height for picture in pictures) + 36)


def _fitted(path: Path, width_px: int) -> Image.Image:
    """Open a picture upright, in sRGB, on the paper's colour, scaled to a width."""
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened)
        profile = opened.info.get("icc_profile")
    if upright.mode in ("RGBA", "LA", "P"):
        upright = upright.convert("RGBA")
        flat = Image.new("RGB", upright.size, PAPER)
        flat.paste(upright, mask=upright.getchannel("A"))
    else:
        flat = upright.convert("RGB")
    if profile:
        flat = _in_srgb(flat, profile)
    height_px = round(flat.height * width_px / flat.width)
    return flat.resize((width_px, height_px), Image.Resampling.LANCZOS)


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    converted = ImageCms.profileToProfile(
        picture,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    return picture if converted is None else converted
