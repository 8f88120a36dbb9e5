from pathlib import Path

import pyvips
from PIL import Image

from studio_pipelines.demo.contact_sheet import (
    CAPTION_PX,
    COLUMN_GAP_PX,
    GAP_PX,
    HEAD_PX,
    MARGIN_PX,
    ROW_GAP_PX,
    WIDTH_PX,
    Strip,
    draw_contact_sheet,
)

SAMPLES = Path(__file__).parents[3] / "samples"
INNER_PX = WIDTH_PX - 2 * MARGIN_PX


def test_pictures_are_upright_and_in_srgb(tmp_path: Path) -> None:
    curve = tmp_path / "loudness.png"
    Image.new("RGBA", (200, 100), (0, 255, 0, 255)).save(curve)
    # The same colour in Display P3 at 16 bits and in sRGB at 8: side by side they must look alike.
    srgb = pyvips.Image.black(60, 40).new_from_image([180, 90, 60]).copy(interpretation="srgb")
    srgb.write_to_file(str(tmp_path / "srgb.png"))
    p3 = srgb.colourspace("rgb16").icc_transform("p3", input_profile="srgb", depth=16)
    p3.write_to_file(str(tmp_path / "p3.png"))
    sheet = tmp_path / "sheet.png"

    pair = Strip("colour", "as it was", (tmp_path / "srgb.png", tmp_path / "p3.png"))
    draw_contact_sheet("Made", [[pair], [Strip("loudness", "", (curve,))]], sheet)

    with Image.open(sheet) as drawn:
        assert drawn.width == WIDTH_PX
        y = MARGIN_PX + HEAD_PX + CAPTION_PX + 100
        before = drawn.getpixel((MARGIN_PX + 100, y))
        after = drawn.getpixel((WIDTH_PX - MARGIN_PX - 100, y))
        assert before == (180, 90, 60)
        assert all(abs(a - b) <= 2 for a, b in zip(before, after, strict=True))
        assert drawn.getpixel((WIDTH_PX // 2, drawn.height - MARGIN_PX - 10)) == (0, 255, 0)


def test_a_row_is_filled_to_its_end_whatever_the_shapes(tmp_path: Path) -> None:
    rocket = SAMPLES / "rocket-sideways.jpg"  # upright 640 x 427
    white = tmp_path / "white.png"
    Image.new("RGB", (512, 512), "white").save(white)
    sheet = tmp_path / "sheet.png"
    draw_contact_sheet(
        "Made",
        [
            [Strip("three", "", (white, rocket, white))],
            [Strip("left", "", (rocket, white)), Strip("right", "", (rocket, white))],
        ],
        sheet,
    )
    upright = 640 / 427
    three_px = round((INNER_PX - 2 * GAP_PX) / (2 + upright))
    two_px = round(((INNER_PX - COLUMN_GAP_PX) / 2 - GAP_PX) / (1 + upright))
    with Image.open(sheet) as drawn:
        text_px = HEAD_PX + 2 * CAPTION_PX
        assert drawn.height == 2 * MARGIN_PX + text_px + ROW_GAP_PX + three_px + two_px
        for y in (MARGIN_PX + HEAD_PX + CAPTION_PX + 10, drawn.height - MARGIN_PX - 10):
            assert drawn.getpixel((WIDTH_PX - MARGIN_PX - 1, y)) == (255, 255, 255)
            assert drawn.getpixel((WIDTH_PX - MARGIN_PX, y)) != (255, 255, 255)
