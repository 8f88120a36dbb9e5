"""Filling a hole of 2 % in a photo of 12 megapixels: how long it takes, beside OpenCV's methods.

Run: ``python -m bench.inpaint_large``. Writes ``bench/results/inpaint_large.json``. A sample photo,
enlarged, with grain of its own; ours after its loops are compiled, as a worker has them.
"""

import time

import cv2
import numpy as np
from rich.console import Console

from bench.inpaint import SAMPLES, Fill, ours, parties
from bench.record import conditions, write_record

MEGAPIXELS = 12.0
HOLE_SHARE = 0.02


def large(fills: dict[str, Fill]) -> dict[str, dict[str, float]]:
    """Seconds for 12 megapixels with one hole of 2 %: on the clock, and of all processors."""
    path = SAMPLES / "tower.jpg"
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert photo is not None
    size = round((MEGAPIXELS * 1e6 * 4 / 3) ** 0.5), round((MEGAPIXELS * 1e6 * 3 / 4) ** 0.5)
    pixels = cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 3, pixels.shape)
    pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    hole = np.zeros(pixels.shape[:2], np.uint8)
    radius = (hole.size * HOLE_SHARE / np.pi) ** 0.5
    middle = (int(size[0] * 0.4), int(size[1] * 0.6))
    cv2.ellipse(hole, middle, (int(radius * 1.2), int(radius / 1.2)), 25, 0, 360, 1, -1)
    taken: dict[str, dict[str, float]] = {}
    for name, fill in fills.items():
        started_s, cpu_s = time.perf_counter(), time.process_time()
        fill(pixels, hole > 0)
        wall_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        taken[name] = {"wall": round(wall_s, 2), "processors": round(cpu_s, 2)}
    return taken


def main() -> None:
    """Time everyone but PyPatchMatch, which takes minutes; print and write the results."""
    facts = conditions()
    hole = np.zeros((64, 64), bool)
    hole[24:40, 24:40] = True
    ours(np.zeros((64, 64, 3), np.uint8), hole)  # compiles
    taken = large({name: fill for name, fill in parties().items() if name != "PyPatchMatch"})
    Console().print(taken)
    write_record("inpaint_large", {"machine": facts, "seconds": taken})


if __name__ == "__main__":
    main()
