"""The sheet of ``docs/photos.jpg``: ten photos, and what segmenting and compositing make of each.

Run: ``python -m bench.photos_sheet --photos FOLDER``. Each row is a photo, the matte of its
subject, the subject over another photo, everything that was found, and what a click means.

The folder is one in which the packages scikit-image, scikit-learn and matplotlib are unpacked, for
the photos that are no samples (``docs/samples.md`` has their authors).
"""

import argparse
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from bench.composite import means_of, quietly
from bench.composite_sheet import cell
from bench.segment import Desk
from bench.sheet import Pixels, found, sheet_of, shown, write_sheet
from studio_pipelines.compositing.cutting import Means, cut_out
from studio_pipelines.compositing.parameters import VfxComposite, settled
from studio_pipelines.compositing.stills import Stills
from studio_pipelines.media.coverage import FULL
from studio_pipelines.media.layer import Layer, layer_of
from studio_pipelines.media.laying_over import laid_over
from studio_pipelines.media.shared_decoder import shared_decoder

SHEET = Path(__file__).parents[1] / "docs" / "photos.jpg"
COLUMNS = ("photo", "matte", "composite", "everything", "a click")


@dataclass(frozen=True)
class Row:
    """A photo, the sample that its subject is laid over, and where it is clicked on.

    The click is in shares of the width and the height.
    """

    photo: str
    below: str
    click: tuple[float, float]


ROWS = (
    Row("astronaut.jpg", "tower.jpg", (0.334, 0.752)),
    Row("tower.jpg", "rocket-sideways.jpg", (0.42, 0.5)),
    Row("coffee-p3-16bit.png", "tower.jpg", (0.607, 0.7)),
    Row("rocket-sideways.jpg", "tower.jpg", (0.5, 0.5)),
    Row("chelsea.png", "tower.jpg", (0.375, 0.38)),
    Row("camera.png", "tower.jpg", (0.42, 0.35)),
    Row("coins.png", "tower.jpg", (0.165, 0.175)),
    Row("retina.jpg", "rocket-sideways.jpg", (0.14, 0.52)),
    Row("flower.jpg", "tower.jpg", (0.5, 0.5)),
    Row("grace_hopper.jpg", "tower.jpg", (0.5, 0.3)),
)


def composited(layer: Layer, below: Layer, means: Means) -> tuple[Pixels, Pixels]:
    """The matte of a photo's subject, and the subject over another photo."""
    params = settled(VfxComposite(light_wrap=0.2))
    cut = cut_out(params, Stills(layer, below), means, quietly)
    assert cut.background is not None
    codes, _ = laid_over(cut.cutout, cut.background, cut.curves, params.light_wrap)
    matte = np.repeat((cut.alpha / FULL * 255).astype(np.uint8)[..., None], 3, axis=-1)
    return matte, shown(Layer(codes, None, layer.curves, layer.as_picture(codes)))


def row_of(row: Row, photos: Path, means: Means, desk: Desk) -> list[Pixels]:
    """The cells of a row."""
    layer, below = (
        layer_of(shared_decoder().picture(found(name, photos))) for name in (row.photo, row.below)
    )
    seen = shown(layer)
    image = desk.keep(Image.fromarray(seen))
    everything, _ = desk.run(image, auto=True)
    point = {"x": row.click[0] * seen.shape[1], "y": row.click[1] * seen.shape[0]}
    clicked, _ = desk.run(image, points=[point])
    previews = [np.asarray(desk.preview(record)) for record in (everything, clicked)]
    return [cell(one) for one in (seen, *composited(layer, below, means), *previews)]


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="a folder of unpacked packages")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    means = means_of("isnet-medium")
    with tempfile.TemporaryDirectory() as folder:
        cells = [row_of(row, arguments.photos, means, Desk(Path(folder))) for row in ROWS]
    write_sheet(SHEET, sheet_of(COLUMNS, cells))


if __name__ == "__main__":
    main()
