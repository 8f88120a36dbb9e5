"""Patch completion beside OpenCV's Telea and Navier-Stokes, on photos whose truth is known.

Run: ``python -m bench.inpaint [--photos FOLDER]``. Writes ``bench/results/inpaint.json``.

Holes are put into photos (blobs, strokes, a rectangle), noise is put into the holes, and all fill
the same ones. PyPatchMatch (MIT) takes part where it is installed. Figures are means over the
cases, in the hole alone:

- PSNR in dB. It rewards blur, so it is not judged by itself.
- Gradient dissimilarity, 1 - GMS (Xue et al., 2014): lower is better.
- Patch distance: the sliced Wasserstein distance between the 7 x 7 patches of the filling and of
  the truth (Rabin et al., 2011), in units of the truth's spread: lower is better.

The photos tuned on are the project's samples; the judged ones are held back: those of a folder,
such as the ``data`` folders of scikit-image and scikit-learn. They stay where they are.
"""

import argparse
import hashlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.record import conditions, write_record
from studio_pipelines.media.inpaint_report import outside_unchanged
from studio_pipelines.media.inpaint_scope import Scope
from studio_pipelines.media.inpaint_windows import WindowPlan
from studio_pipelines.media.inpainting import PatchFiller, inpaint
from studio_pipelines.media.picture import Picture

SAMPLES = Path(__file__).parents[1] / "samples"
LONGEST_PX = 512

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Fill = Callable[[Pixels, Mask], Pixels]


@dataclass(frozen=True)
class Case:
    """A photo with a hole."""

    photo: str
    kind: str
    truth: Pixels
    hole: Mask

    @property
    def damaged(self) -> Pixels:
        """The photo with noise in the hole."""
        noise = np.random.default_rng(9).integers(0, 256, self.truth.shape, np.uint8)
        return np.where(self.hole[..., None], noise, self.truth)


def blobs(rng: np.random.Generator, height: int, width: int) -> Mask:
    """Two smooth blobs, about 4 % of the picture."""
    field = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 18)
    return np.asarray(field > np.quantile(field, 0.96))


def strokes(rng: np.random.Generator, height: int, width: int) -> Mask:
    """Five thick strokes, as a person draws them."""
    hole = np.zeros((height, width), np.uint8)
    for _ in range(5):
        ends = rng.uniform(0.1, 0.9, (4, 2)) * (width, height)
        cv2.polylines(hole, [ends.astype(np.int32)], isClosed=False, color=1, thickness=9)
    return hole > 0


def rectangle(rng: np.random.Generator, height: int, width: int) -> Mask:
    """One rectangle of a fifth of each side."""
    top, left = int(rng.uniform(0.2, 0.6) * height), int(rng.uniform(0.2, 0.6) * width)
    hole = np.zeros((height, width), bool)
    hole[top : top + height // 5, left : left + width // 5] = True
    return hole


KINDS = {"blobs": blobs, "strokes": strokes, "rectangle": rectangle}


def photos(folder: Path) -> Iterator[tuple[str, Pixels]]:
    """Give the colour photos of a folder, scaled down to the bench's size."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            continue
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if pixels is None or min(pixels.shape[:2]) < 200:
            continue
        scale = min(1.0, LONGEST_PX / max(pixels.shape[:2]))
        size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
        yield (
            path.name,
            np.ascontiguousarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)),
        )


def cases(folder: Path) -> Iterator[Case]:
    """Give every photo with every kind of hole."""
    for name, truth in photos(folder):
        for kind, draw in KINDS.items():
            seed = int.from_bytes(hashlib.sha256(f"{name} {kind}".encode()).digest()[:4], "big")
            yield Case(name, kind, truth, draw(np.random.default_rng(seed), *truth.shape[:2]))


def ours(pixels: Pixels, hole: Mask, barred: Mask | None = None) -> Pixels:
    """The product's own way."""
    scope = Scope(Picture(pixels), hole, barred, None, WindowPlan())
    return np.asarray(inpaint(scope, PatchFiller()).pixels, np.uint8)


def opencv(method: int) -> Fill:
    """OpenCV's ways, with the radius that its tutorial takes."""
    return lambda pixels, hole: np.asarray(cv2.inpaint(pixels, hole.view(np.uint8), 3, method))


def parties() -> dict[str, Fill]:
    """Everyone who is here."""
    found: dict[str, Fill] = {
        "ours": ours,
        "Telea": opencv(cv2.INPAINT_TELEA),
        "Navier-Stokes": opencv(cv2.INPAINT_NS),
    }
    if importlib.util.find_spec("patchmatch") is not None:
        peer: Any = importlib.import_module("patchmatch.patch_match")
        found["PyPatchMatch"] = lambda pixels, hole: peer.inpaint(
            pixels, hole.view(np.uint8), patch_size=5
        )
    return found


def psnr_db(truth: Pixels, filled: Pixels, hole: Mask) -> float:
    """Peak signal to noise ratio in the hole."""
    error = truth[hole].astype(float) - filled[hole]
    return float(10 * np.log10(255**2 / max(float(np.mean(error**2)), 1e-9)))


def gradient_dissimilarity(truth: Pixels, filled: Pixels, hole: Mask) -> float:
    """1 - the mean gradient magnitude similarity in the hole."""

    def magnitude(pixels: Pixels) -> NDArray[np.float64]:
        grey = pixels.astype(np.float64).mean(axis=-1)
        steps = [cv2.Scharr(grey, cv2.CV_64F, dx, 1 - dx) / 16 for dx in (0, 1)]
        return np.hypot(*steps)

    a, b = magnitude(truth), magnitude(filled)
    similarity = (2 * a * b + 170) / (a**2 + b**2 + 170)
    return float(1 - similarity[hole].mean())


def patch_distance(truth: Pixels, filled: Pixels, hole: Mask) -> float:
    """The sliced Wasserstein distance of the patches in the hole, as a share of their spread."""
    rows, columns = np.nonzero(hole[3:-3, 3:-3])
    offsets = np.arange(-3, 4)

    def patches(pixels: Pixels) -> NDArray[np.float64]:
        at = pixels[
            rows[:, None, None] + 3 + offsets[:, None], columns[:, None, None] + 3 + offsets
        ]
        flat = at.reshape(len(rows), -1).astype(np.float64)
        return flat - flat.mean(axis=1, keepdims=True)

    directions = np.random.default_rng(0).standard_normal((147, 64))
    directions /= np.linalg.norm(directions, axis=0)
    a, b = (np.sort(patches(pixels) @ directions, axis=0) for pixels in (truth, filled))
    return float(np.abs(a - b).mean() / (a.std() + 1e-9))


MEASURES = {
    "psnrDb": psnr_db,
    "gradientDissimilarity": gradient_dissimilarity,
    "patchDistance": patch_distance,
}


def judge(judged: list[Case], fills: dict[str, Fill]) -> dict[str, dict[str, float]]:
    """The means of every measure and the time, by party."""
    sums = {name: dict.fromkeys([*MEASURES, "seconds", "changedOutside"], 0.0) for name in fills}
    for case in judged:
        for name, fill in fills.items():
            started_s = time.perf_counter()
            filled = fill(case.damaged, case.hole)
            sums[name]["seconds"] += (time.perf_counter() - started_s) / len(judged)
            kept = outside_unchanged(case.truth, filled, case.hole)
            sums[name]["changedOutside"] += not kept
            for measure, of in MEASURES.items():
                sums[name][measure] += of(case.truth, filled, case.hole) / len(judged)
    return {name: {key: round(v, 4) for key, v in found.items()} for name, found in sums.items()}


def show(found: dict[str, dict[str, float]]) -> None:
    """Print the means as a table."""
    table = Table("", *next(iter(found.values())))
    for name, figures in found.items():
        table.add_row(name, *(f"{value:.3f}" for value in figures.values()))
    Console().print(table)


def main() -> None:
    """Judge everyone, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=SAMPLES, help="a folder of photos")
    arguments, _ = parser.parse_known_args()
    facts, fills = conditions(), parties()
    judged = list(cases(arguments.photos))
    ours(judged[0].damaged, judged[0].hole)  # compiles
    found = judge(judged, fills)
    show(found)
    report = {
        "machine": facts,
        "photos": sorted({case.photo for case in judged}),
        "heldBack": arguments.photos != SAMPLES,
        "cases": len(judged),
        "means": found,
        "psnrGainDb": {
            peer: round(found["ours"]["psnrDb"] - found[peer]["psnrDb"], 3)
            for peer in found
            if peer != "ours"
        },
    }
    write_record("inpaint", report)


if __name__ == "__main__":
    main()
