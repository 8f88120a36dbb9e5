"""The sheet of ``docs/depth.jpg``: twelve photos, each beside its depth by the embedded model.

Run: ``python -m bench.depth_sheet --photos FOLDER``, a folder in which scikit-image, scikit-learn,
Matplotlib and Debian's opencv-doc are unpacked, for the photos that are no samples
(``docs/samples.md`` has their authors). Yellow is near. None of the photos was learned from.
"""

import argparse
from pathlib import Path

import numpy as np

from bench.depth import Ways
from bench.sheet import Pixels, fitted, found, shown, write_sheet
from studio_pipelines.media.depth_map import colour_table, coloured, mapped, shares_of
from studio_pipelines.media.layer import layer_of
from studio_pipelines.media.shared_decoder import shared_decoder

SHEET = Path(__file__).parents[1] / "docs" / "depth.jpg"
CELL_PX = (300, 225)
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


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="a folder of unpacked packages")
    photos = [_seen(found(name, parser.parse_args().photos)) for name in PHOTOS]
    ways, table, cells = Ways(), colour_table("inferno"), []
    for pixels in photos:
        depth = mapped(ways.shipped(pixels), "relative", "nearIsLarge")
        pale = coloured(shares_of(depth, slice(None)), table)
        cells.append(np.hstack([fitted(pixels, *CELL_PX), fitted(pale, *CELL_PX)]))
    rows = [np.hstack(cells[at : at + COLUMNS]) for at in range(0, len(cells), COLUMNS)]
    write_sheet(SHEET, np.vstack(rows))


def _seen(path: Path) -> Pixels:
    return shown(layer_of(shared_decoder().picture(path)))


if __name__ == "__main__":
    main()
