"""The sheet of ``docs/depth.jpg``: twelve photos, each beside its depth by the embedded model.

Run: ``python -m bench.depth_sheet [--packages FOLDER]``, a folder of :mod:`bench.depth_truth`.
Yellow is near. None of the photos was learned from.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.depth import Ways
from bench.depth_truth import fetch, known_pictures
from studio_pipelines.media.depth_map import colour_table, coloured, mapped, shares_of

SHEET = Path(__file__).parents[1] / "docs" / "depth.jpg"
CELL = (300, 225)
COLUMNS = 3
_SKIMAGE = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
_OPENCV = ("fruits.jpg", "home.jpg")


def _fitted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = min(CELL[0] / pixels.shape[1], CELL[1] / pixels.shape[0])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    small: Any = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    cell = np.full((CELL[1], CELL[0], 3), 255, np.uint8)
    top, left = (CELL[1] - size[1]) // 2, (CELL[0] - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path)
    given = parser.parse_known_args()[0].packages
    with tempfile.TemporaryDirectory() as scratch:
        photos = _photos(fetch(given or Path(scratch)))
    ways, table, cells = Ways(), colour_table("inferno"), []
    for pixels in photos:
        found = mapped(ways.shipped(pixels), "relative", "nearIsLarge")
        shown = coloured(shares_of(found, slice(None)), table)
        cells.append(np.hstack([_fitted(pixels), _fitted(shown)]))
    rows = [np.hstack(cells[at : at + COLUMNS]) for at in range(0, len(cells), COLUMNS)]
    sheet = np.vstack(rows)[..., ::-1]
    cv2.imwrite(str(SHEET), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])


def _photos(folder: Path) -> list[NDArray[np.uint8]]:
    photos = [one.pixels for one in known_pictures(folder)]
    paths = [folder / "skimage" / "data" / name for name in _SKIMAGE]
    paths += [folder / "usr/share/doc/opencv-doc/examples/data" / name for name in _OPENCV]
    for path in paths:
        read: Any = cv2.imread(str(path))
        photos.append(np.ascontiguousarray(read[..., ::-1]))
    return photos


if __name__ == "__main__":
    main()
