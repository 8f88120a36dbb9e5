"""The sheet of ``docs/inpaint.jpg``: things removed from the samples, beside OpenCV's two ways.

Run: ``python -m bench.inpaint_sheet``. Each row is a photo with what is removed in red, patch
completion, Telea, and Navier-Stokes, on the same hole. Blue is what a request would send as
``exclude``: nothing is copied from there.
"""

from pathlib import Path

import cv2
import numpy as np

from bench.inpaint import SAMPLES, Mask, Pixels, opencv, ours
from bench.sheet import sheet_of, write_sheet
from studio_pipelines.media.inpaint_mask import expanded

SHEET = Path(__file__).parents[1] / "docs" / "inpaint.jpg"
CELL_PX = 300
COLUMNS = ("removed", "studio-patchmatch", "Telea", "Navier-Stokes")

Outline = tuple[tuple[int, int], ...]
# A photo, the part that is shown (left, top, right, bottom), and the outline of what is removed.
CASES: tuple[tuple[str, tuple[int, int, int, int], Outline], ...] = (
    (
        "rocket-sideways.jpg",
        (200, 90, 460, 427),
        (
            (308, 122),
            (340, 122),
            (342, 330),
            (360, 350),
            (362, 408),
            (284, 408),
            (286, 355),
            (306, 330),
        ),
    ),
    ("astronaut.jpg", (60, 290, 300, 500), ((132, 345), (212, 345), (212, 428), (132, 428))),
    ("astronaut.jpg", (220, 300, 400, 440), ((274, 336), (334, 340), (330, 384), (278, 376))),
    (
        "astronaut.jpg",
        (300, 0, 512, 300),
        ((376, 30), (396, 0), (438, 0), (460, 40), (462, 190), (476, 284), (362, 290), (350, 220)),
    ),
    (
        "tower.jpg",
        (360, 170, 560, 330),
        ((412, 222), (440, 222), (470, 226), (504, 228), (504, 246), (470, 248), (412, 244)),
    ),
    ("tower.jpg", (120, 10, 300, 150), ((192, 26), (218, 26), (220, 64), (190, 66))),
    (
        "coffee-p3-16bit.png",
        (110, 70, 260, 200),
        (
            (156, 118),
            (184, 106),
            (196, 90),
            (202, 100),
            (196, 112),
            (206, 140),
            (196, 160),
            (176, 168),
            (160, 156),
        ),
    ),
)


def hole_of(outline: Outline, height: int, width: int) -> Mask:
    """The outline, filled and grown as the product does it to remove things."""
    hole = np.zeros((height, width), np.uint8)
    cv2.fillPoly(hole, [np.array(outline, np.int32)], 1)
    return expanded(hole > 0, 4)


# The astronaut, from whom nothing shall be copied where the shuttle behind her is removed.
EXCLUDED: dict[int, Outline] = {
    3: ((150, 0), (305, 0), (312, 225), (350, 262), (366, 345), (512, 345), (512, 512), (0, 512))
}


def row(
    name: str, shown: tuple[int, int, int, int], outline: Outline, excluded: Outline | None
) -> list[Pixels]:
    """One case: its four pictures."""
    photo = cv2.imread(str(SAMPLES / name), cv2.IMREAD_COLOR)
    assert photo is not None
    photo = np.ascontiguousarray(photo, np.uint8)
    hole = hole_of(outline, *photo.shape[:2])
    marked = photo.copy()
    marked[hole] = (photo[hole] * 0.45 + np.array([60, 40, 230]) * 0.55).astype(np.uint8)
    barred = None if excluded is None else hole_of(excluded, *photo.shape[:2]) & ~hole
    if barred is not None:
        marked[barred] = (photo[barred] * 0.6 + np.array([230, 120, 40]) * 0.4).astype(np.uint8)
    filled = [
        ours(photo, hole, barred),
        *(opencv(way)(photo, hole) for way in (cv2.INPAINT_TELEA, cv2.INPAINT_NS)),
    ]
    left, top, right, bottom = shown
    height_px = round(CELL_PX * (bottom - top) / (right - left))
    cells = [
        cv2.resize(
            picture[top:bottom, left:right], (CELL_PX, height_px), interpolation=cv2.INTER_CUBIC
        )
        for picture in (marked, *filled)
    ]
    return [cell[..., ::-1] for cell in cells]


def main() -> None:
    """Draw the sheet."""
    rows = [row(*case, EXCLUDED.get(number)) for number, case in enumerate(CASES)]
    write_sheet(SHEET, sheet_of(COLUMNS, rows), quality=82)


if __name__ == "__main__":
    main()
