from pathlib import Path

import pyvips
from PIL import Image

from studio_pipelines.demo.contact_sheet import CELL_PX, MARGIN_PX, WIDTH_PX, draw_contact_sheet

SAMPLES = Path(__file__).parents[3] / "samples"


def test_pictures_are_upright_and_in_srgb(tmp_path: Path) -> None:
    curve = tmp_path / "loudness.png"
    Image.new("RGBA", (200, 100), (0, 255, 0, 255)).save(curve)
    # The same colour in Display P3 at 16 bits and in sRGB at 8: side by side they must look alike.
    srgb = pyvips.Image.black(60, 40).new_from_image([180, 90, 60]).copy(interpretation="srgb")
    srgb.write_to_file(str(tmp_path / "srgb.png"))
    p3 = srgb.colourspace("rgb16").icc_transform("p3", input_profile="srgb", depth=16)
    p3.write_to_file(str(tmp_path / "p3.png"))
    sheet = tmp_path / "sheet.png"

    pairs = [("colour", tmp_path / "srgb.png", tmp_path / "p3.png")]
    draw_contact_sheet(pairs, ("loudness", curve), sheet)

    with Image.open(sheet) as drawn:
        assert drawn.width == WIDTH_PX
        y = MARGIN_PX + 64 + 36 + 100
        before = drawn.getpixel((MARGIN_PX + 100, y))
        after = drawn.getpixel((WIDTH_PX - MARGIN_PX - 100, y))
        assert before == (180, 90, 60)
        assert all(abs(a - b) <= 2 for a, b in zip(before, after, strict=True))
        assert drawn.getpixel((WIDTH_PX // 2, drawn.height - MARGIN_PX - 10)) == (0, 255, 0)


def test_a_sideways_photo_is_turned(tmp_path: Path) -> None:
    rocket = SAMPLES / "rocket-sideways.jpg"
    sheet = tmp_path / "sheet.png"
    draw_contact_sheet([("rocket", rocket, rocket)], ("again", rocket), sheet)
    with Image.open(sheet) as drawn:
        upright_px = round(CELL_PX * 427 / 640)
        full_px = round((WIDTH_PX - 2 * MARGIN_PX) * 427 / 640)
        assert drawn.height == 2 * MARGIN_PX + 64 + 36 + upright_px + 36 + 36 + full_px
