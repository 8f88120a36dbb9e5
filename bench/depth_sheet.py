"""The sheet of ``docs/depth.jpg``: twelve photos, each beside its depth by the embedded model.

Run: ``python -m bench.depth_sheet --photos FOLDER``, a folder in which scikit-image, scikit-learn,
Matplotlib and Debian's opencv-doc are unpacked, for the photos that are no samples
(``docs/samples.md`` has their authors). Yellow is near. None of the photos was learned from.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.composite_sheet import shown
from bench.depth import Ways
from bench.photos_sheet import found
from studio_pipelines.media.depth_map import colour_table, coloured, mapped, shares_of
from studio_pipelines.media.layer import layer_of
from studio_pipelines.media.shared_decoder import shared_decoder

SHEET = Path(__file__).parents[1] / "docs" / "depth.jpg"
CELL = (300, 225)
COLUMNS = 3
PHOTOS = (
    "astronaut.jpg",
    "tower.jpg",
    "coffee-p3-16bit.png",
    "rocket-sideways.jpg",
    "chelsea.png",
    "camera.png",
    "grace_hopper.jpg",
    "flower.jpg",
    "coins.png",
    "retina.jpg",
    "fruits.jpg",
    "home.jpg",
)


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
    parser.add_argument("--photos", type=Path, required=True, help="a folder of unpacked packages")
    photos = [_seen(found(name, parser.parse_args().photos)) for name in PHOTOS]
    ways, table, cells = Ways(), colour_table("inferno"), []
    for pixels in photos:
        depth = mapped(ways.shipped(pixels), "relative", "nearIsLarge")
        shown = coloured(shares_of(depth, slice(None)), table)
        cells.append(np.hstack([_fitted(pixels), _fitted(shown)]))
    rows = [np.hstack(cells[at : at + COLUMNS]) for at in range(0, len(cells), COLUMNS)]
    sheet = np.vstack(rows)[..., ::-1]
    cv2.imwrite(str(SHEET), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])


def _seen(path: Path) -> NDArray[np.uint8]:
    return shown(layer_of(shared_decoder().picture(path)))


if __name__ == "__main__":
    main()
