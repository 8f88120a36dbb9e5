"""The sheet of ``docs/composite.jpg``: cut-outs, and crops of their edges.

Run: ``python -m bench.composite_sheet [--photos FOLDER]``. Each row is a photo, its matte, the
composite, and the same part of an edge three times: the photo, the network's matte alone with the
photo's colours, and ours.

The folder may be the ``data`` folder of scikit-image, whose cat (Chelsea, by Stéfan van der Walt,
CC0) then has a row.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.composite import SAMPLES, means_of, quietly
from bench.sheet import Pixels, fitted, sheet_of, shown, write_sheet
from studio_pipelines.compositing.cutting import Means, cut_out
from studio_pipelines.compositing.parameters import VfxComposite, settled
from studio_pipelines.compositing.stills import Stills
from studio_pipelines.media.coverage import FULL
from studio_pipelines.media.layer import Layer, layer_of
from studio_pipelines.media.laying_over import Cutout, laid_over
from studio_pipelines.media.matte_refining import plain_matte
from studio_pipelines.media.placement import backdrop
from studio_pipelines.media.shared_decoder import shared_decoder

SHEET = Path(__file__).parents[1] / "docs" / "composite.jpg"
CELL_PX = 330
COLUMNS = ("photo", "matte", "composite", "edge: photo", "network alone", "this studio")
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Row:
    """A photo, what it is laid over, how, and the edge that is shown (left, top, right, bottom)."""

    photo: str
    below: str | None
    asked: dict[str, Any]
    edge: Box


ROWS = (
    Row("astronaut.jpg", "tower.jpg", {"light_wrap": 0.25}, (140, 20, 260, 140)),
    Row("astronaut.jpg", None, {"background_colour": "#00a651"}, (225, 20, 325, 120)),
    Row("chelsea.png", "tower.jpg", {"light_wrap": 0.2}, (20, 10, 170, 160)),
    Row("coffee-p3-16bit.png", "rocket-sideways.jpg", {}, (30, 20, 130, 120)),
    Row("rocket-sideways.jpg", None, {"background_colour": "#f2a900"}, (280, 90, 380, 190)),
)


def cell(pixels: Pixels) -> Pixels:
    """A picture fitted into a cell."""
    return fitted(pixels, CELL_PX, CELL_PX)


def row_of(row: Row, photos: Path, means: Means) -> list[Pixels]:
    """The cells of a row."""
    path = SAMPLES / row.photo if (SAMPLES / row.photo).exists() else photos / row.photo
    layer = layer_of(shared_decoder().picture(path))
    below = None if row.below is None else layer_of(shared_decoder().picture(SAMPLES / row.below))
    cut = cut_out(settled(VfxComposite(**row.asked)), Stills(layer, below), means, quietly)
    assert cut.background is not None
    wrap = row.asked.get("light_wrap", 0.0)
    codes, _ = laid_over(cut.cutout, cut.background, cut.curves, wrap)
    rough = plain_matte(means.find(layer), layer)
    ground = backdrop(cut.background, layer.size, "cover")
    plain, _ = laid_over(Cutout(layer.codes, rough), ground, cut.curves)
    left, top, right, bottom = row.edge
    part = (slice(top, bottom), slice(left, right))
    matte = np.repeat((cut.alpha / FULL * 255).astype(np.uint8)[..., None], 3, axis=-1)
    pictures = [shown(Layer(one, None, layer.curves, layer.as_picture(one))) for one in
                (layer.codes, codes, plain)]  # fmt: skip
    return [
        cell(pictures[0]),
        cell(matte),
        cell(pictures[1]),
        cell(pictures[0][part]),
        cell(pictures[2][part]),
        cell(pictures[1][part]),
    ]


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=SAMPLES, help="a folder of photos")
    arguments = parser.parse_args()
    rows = [
        row
        for row in ROWS
        if (SAMPLES / row.photo).exists() or (arguments.photos / row.photo).exists()
    ]
    means = means_of("isnet-medium")
    cells = [row_of(row, arguments.photos, means) for row in rows]
    write_sheet(SHEET, sheet_of(COLUMNS, cells), quality=88)


if __name__ == "__main__":
    main()
