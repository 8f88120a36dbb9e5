"""Matting and compositing beside what a network gives alone, on composites whose alpha is known.

Run: ``python -m bench.composite``. Writes ``bench/results/composite.json``.

Foregrounds with a known matte (balls of fur and of hair, drawn strand by strand, and a disc that is
partly out of focus) are laid over photos out of focus, in linear light. Each way then finds the
matte of the result again:

- SAD: sum of the absolute differences of alpha, in thousands; MSE: their mean square, in
  thousandths. Rhemann et al., *A perceptually motivated online benchmark for image matting* (2009).
- Recomposition: the mean absolute difference, in 8-bit code values around the edge, between the
  picture and the cut-out laid over the true background. ``plain`` lays the picture's own colours.

The time is that of a whole 4K still, encoded results included.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.record import conditions, write_record
from studio_pipelines.compositing.cutting import Means, cut_out
from studio_pipelines.compositing.parameters import VfxComposite, settled
from studio_pipelines.compositing.still import composite_still
from studio_pipelines.compositing.stills import Stills
from studio_pipelines.media.closed_form import solve_closed_form
from studio_pipelines.media.coverage import FULL, Alpha
from studio_pipelines.media.foreground_colours import foreground_colours
from studio_pipelines.media.layer import Layer, layer_of
from studio_pipelines.media.laying_over import Cutout, laid_over
from studio_pipelines.media.matte_refining import plain_matte
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.sampled_codes import shrunk_codes
from studio_pipelines.media.shared_decoder import shared_decoder
from studio_pipelines.media.tone_curves import srgb_codes, srgb_curves, srgb_light
from studio_pipelines.model_shelf import model_shelf
from studio_pipelines.models.matting import SubjectNetwork, load_subject_network
from studio_pipelines.models.matting_roles import SUBJECT_ROLE
from studio_pipelines.settings import load_settings

SAMPLES = Path(__file__).parents[1] / "samples"
SIZE = (720, 960)
FOCUS_SIGMA_PX = 16
MODEL = "isnet-medium"
STILL_4K = (2160, 3840)
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A composite whose parts are known."""

    name: str
    seen: Layer
    alpha: Doubles
    background: Layer


def photo(name: str, size: tuple[int, int] = SIZE) -> Doubles:
    """A sample's light, cut to a shape and scaled."""
    codes = shared_decoder().picture(SAMPLES / name).pixels
    height, width = codes.shape[:2]
    factor = max(size[0] / height, size[1] / width)
    scaled = cv2.resize(
        codes,
        (round(width * factor) + 1, round(height * factor) + 1),
        interpolation=cv2.INTER_CUBIC,
    )
    peak = 65535 if codes.dtype == np.uint16 else 255
    return srgb_light(np.clip(scaled[: size[0], : size[1]].astype(np.float64) / peak, 0, 1))


def fur(rng: np.random.Generator, *, strands: int, longest: float) -> Doubles:
    """A ball of hair: strands of a pixel and less around a solid core."""
    height, width = SIZE[0] * 4, SIZE[1] * 4
    canvas = np.zeros((height, width), np.uint8)
    middle, radius = np.array([width * 0.5, height * 0.52]), height * 0.24
    cv2.circle(canvas, (int(middle[0]), int(middle[1])), int(radius), 255, -1)
    for _ in range(strands):
        angle = rng.uniform(0, 2 * np.pi)
        along = np.array([np.cos(angle), np.sin(angle)])
        bend = rng.normal(0, 0.35) * np.array([-along[1], along[0]])
        reach = radius * rng.uniform(0.1, longest)
        steps = np.linspace(0, 1, 12)[:, None]
        points = middle + along * (radius * 0.97 + steps * reach) + bend * steps**2 * reach
        thickness = int(rng.integers(2, 6))
        cv2.polylines(
            canvas, [points.astype(np.int32)], isClosed=False, color=255, thickness=thickness
        )
    return cv2.resize(canvas, (SIZE[1], SIZE[0]), interpolation=cv2.INTER_AREA) / 255.0


def soft_disc(_rng: np.random.Generator) -> Doubles:
    """A disc that is out of focus on one side."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    away = np.hypot(y - SIZE[0] * 0.5, x - SIZE[1] * 0.45)
    blur = 2 + 14 * x / SIZE[1]
    return np.clip(0.5 - (away - SIZE[0] * 0.28) / blur, 0, 1)


def ball(colour: tuple[float, float, float], radius: float, rng: np.random.Generator) -> Doubles:
    """Light of a lit, grainy ball; its radius is a share of the height."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    down, across = (y / SIZE[0] - 0.5) / radius, (x - SIZE[1] * 0.48) / (SIZE[0] * radius)
    lit = 0.35 + 0.65 * np.clip(0.6 - 0.5 * down - 0.35 * across, 0, 1)
    grain = cv2.GaussianBlur(rng.normal(1, 0.5, SIZE), (0, 0), 1.5)
    return (lit * np.clip(grain, 0.6, 1.5))[..., None] * np.array(colour)


def known_foregrounds() -> Iterator[tuple[str, Doubles, Doubles]]:
    """Name, light and alpha of each foreground."""
    rng = np.random.default_rng(5)
    yield "fur", ball((0.42, 0.2, 0.07), 0.3, rng), fur(rng, strands=1600, longest=0.45)
    yield "hair", ball((0.3, 0.16, 0.08), 0.3, rng), fur(rng, strands=500, longest=0.8)
    yield "disc", ball((0.6, 0.05, 0.04), 0.28, rng), soft_disc(rng)


def cases() -> Iterator[Case]:
    """Every foreground over every photo."""
    for name, light, alpha in known_foregrounds():
        for below in ("tower.jpg", "rocket-sideways.jpg"):
            # Out of focus, as behind most subjects: sharp towers are subjects themselves.
            ground = cv2.GaussianBlur(photo(below), (0, 0), FOCUS_SIGMA_PX)
            share = alpha[..., None]
            seen = layer_of(Picture(to_codes(share * light + (1 - share) * ground)))
            yield Case(f"{name} over {below}", seen, alpha, layer_of(Picture(to_codes(ground))))


def to_codes(light: Doubles) -> NDArray[np.uint8]:
    """8-bit sRGB codes."""
    return np.rint(255 * srgb_codes(np.clip(light, 0, 1))).astype(np.uint8)


def network(name: str) -> SubjectNetwork:
    """A pulled network."""
    found = model_shelf(load_settings()).choose("vfx-compositor", name, SUBJECT_ROLE)
    return load_subject_network(found.folder, found.declaration.engine)


def means_of(name: str) -> Means:
    """Find with a network, each layer once."""
    loaded, known = network(name), dict[int, Any]()

    def find(layer: Layer) -> NDArray[np.float32]:
        key = hash(layer.codes.tobytes())
        if key not in known:
            known[key] = loaded.find(shrunk_codes(Picture(layer.codes), loaded.side_px))
        return known[key]

    return Means(find, solve_closed_form)


def quietly(_share: float, _stage: str) -> None:
    """Tell nobody."""


def recomposition(case: Case, colours: Any, alpha: Alpha) -> float:
    """The mean difference around the edge, in 8-bit codes."""
    again, _ = laid_over(Cutout(colours, alpha), case.background, case.seen.curves)
    near = cv2.dilate(((case.alpha > 0) & (case.alpha < 1)).astype(np.uint8), np.ones((5, 5))) > 0
    return float(np.abs(again.astype(float) - case.seen.codes)[near].mean())


def judge(case: Case, alpha: Alpha, estimation: Any) -> dict[str, float]:
    """The measures of one answer."""
    error = alpha / FULL - case.alpha
    colours = foreground_colours(case.seen, alpha, estimation)
    return {
        "sad": float(np.abs(error).sum()) / 1000,
        "mse": float((error**2).mean()) * 1000,
        "recomposition": recomposition(case, colours.codes, alpha),
        "recompositionPlain": recomposition(case, case.seen.codes, alpha),
    }


def answers(means: Means) -> dict[str, Callable[[Case], Alpha]]:
    """Each way to a matte."""

    def refined(how: Any) -> Callable[[Case], Alpha]:
        params = VfxComposite(refine=how)
        return lambda case: cut_out(params, Stills(case.seen), means, quietly).alpha

    return {
        "network alone": lambda case: plain_matte(means.find(case.seen), case.seen),
        "guided": refined("guided"),
        "closedForm": refined("closedForm"),
    }


def blend_error() -> float:
    """The largest error of the blend, in 1/65535, beside plain float64, over a million pixels."""
    rng = np.random.default_rng(1)
    above, below = (rng.integers(0, FULL + 1, (1000, 1000, 3), np.uint16) for _ in range(2))
    alpha = rng.integers(0, FULL + 1, (1000, 1000), np.uint16)
    curves = srgb_curves()
    ground = Layer(below, None, curves, Picture(below))
    got, _ = laid_over(Cutout(above, alpha), ground, curves)
    share = alpha[..., None] / FULL
    light = share * srgb_light(above / FULL) + (1 - share) * srgb_light(below / FULL)
    return float(np.abs(got - srgb_codes(light) * FULL).max())


def still_4k(name: str) -> dict[str, float]:
    """Seconds of a whole 4K still, after a first one has loaded and compiled all."""
    rng = np.random.default_rng(0)
    light = photo("astronaut.jpg", STILL_4K)
    codes = np.clip(to_codes(light) + rng.normal(0, 2, (*STILL_4K, 3)), 0, 255).astype(np.uint8)
    layer = layer_of(Picture(codes))
    ground = layer_of(Picture(to_codes(photo("tower.jpg", STILL_4K))))
    params = settled(VfxComposite(light_wrap=0.3))
    loaded, spent = network(name), [0.0]

    def find(seen: Layer) -> NDArray[np.float32]:
        started_s = time.perf_counter()
        found = loaded.find(shrunk_codes(Picture(seen.codes), loaded.side_px))
        spent[0] = time.perf_counter() - started_s
        return found

    means = Means(find, solve_closed_form)
    cut_out(params, Stills(replace_codes(layer)), means, quietly)
    with tempfile.TemporaryDirectory() as folder:
        started_s, cpu_s = time.perf_counter(), time.process_time()
        made = composite_still(params, Stills(layer, ground), means, Path(folder), quietly)
        wall_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    return {
        "wall": round(wall_s, 2),
        "processors": round(cpu_s, 2),
        "network": round(spent[0], 2),
        "blend": round(made.metrics["blendMs"] / 1000, 2),
    }


def replace_codes(layer: Layer) -> Layer:
    """A small part of a layer, to warm up on."""
    part = np.ascontiguousarray(layer.codes[:256, :256])
    return replace(layer, codes=part, picture=Picture(part))


def show(found: dict[str, dict[str, float]]) -> None:
    """Print the means as a table."""
    table = Table("", *next(iter(found.values())))
    for name, figures in found.items():
        table.add_row(name, *(f"{value:.3f}" for value in figures.values()))
    Console().print(table)


def main() -> None:
    """Judge every way, print and write the results."""
    facts = conditions()
    judged, means = list(cases()), means_of(MODEL)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for case in judged:
        rows[case.name] = {
            way: judge(case, alpha(case), "none" if way == "network alone" else "multilevel")
            for way, alpha in answers(means).items()
        }
        Console().print(case.name)
        show(rows[case.name])
    ways = list(answers(means))
    found = {
        way: {
            measure: round(float(np.mean([row[way][measure] for row in rows.values()])), 4)
            for measure in next(iter(rows.values()))[way]
        }
        for way in ways
    }
    show(found)
    alone, ours = found["network alone"], found["closedForm"]
    report = {
        "machine": facts,
        "model": MODEL,
        "cases": rows,
        "means": found,
        "sadShareOfNetwork": round(ours["sad"] / alone["sad"], 3),
        "mseShareOfNetwork": round(ours["mse"] / alone["mse"], 3),
        "recompositionShareOfPlain": round(ours["recomposition"] / ours["recompositionPlain"], 3),
        "blendErrorIn65535ths": round(blend_error(), 4),
        "secondsFor4kStill": {name: still_4k(name) for name in (MODEL, "isnet-small", "u2netp")},
    }
    Console().print(report["secondsFor4kStill"], report["blendErrorIn65535ths"])
    write_record("composite", report)


if __name__ == "__main__":
    main()
