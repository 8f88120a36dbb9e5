"""The same grade as a .cube: baking, and an honest measure of what baking loses."""

from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.grade import CompiledGrade, compile_grade
from studio_pipelines.media.grade_recipe import GradeRecipe
from studio_pipelines.media.lut import apply_lut
from studio_pipelines.media.lut_table import Lut

_INVISIBLE: Final = 1 / 1023
_SHAPER_SIZE: Final = 8192
_EVENNESS: Final = 0.02
_GRID: Final = 53  # a prime, so that its points fall between those of common cubes
_RANDOM: Final = 1 << 17
_Floats = NDArray[np.float32]


def bake(recipe: GradeRecipe, size: int = 33) -> Lut:
    """Return the grade as a LUT for inputs of 0 to 1; a mask cannot be part of it.

    A recipe that is only a LUT gives that LUT back. A 3D LUT without a shaper that is only mixed
    with the input is mixed at its own lattice points, which is exact. Anything else is sampled:
    plainly where the loss stays below a step of 10 bits, as every program reads such a file;
    otherwise behind a shaper that spends the lattice points where the grade changes fastest, if
    that is better.

    Args:
        recipe: The grade.
        size: Points along an edge of the 3D table, 2 to 129.

    Raises:
        InvalidParameter: The size is out of range.
    """
    if not 2 <= size <= 129:
        raise InvalidParameter(f"size is {size}; it must be 2 to 129.", field="cubeSize")
    grade = compile_grade(recipe)
    lut = recipe.lone_lut
    if lut is not None:
        if recipe.intensity == 1:
            return lut
        if lut.table is not None and lut.shaper is None and recipe.interpolation != "nearest":
            return replace(lut, table=_on_lattice(grade, _lattice_axes(lut)))
    title = recipe.lut.title if recipe.lut is not None else "Grade"
    axis = np.linspace(0, 1, size, dtype=np.float32)
    plain = Lut(table=_on_lattice(grade, [axis] * 3), title=title)
    loss = cube_max_error(recipe, plain)
    if loss <= _INVISIBLE:
        return plain
    shaper, axes = _shaper(grade, axis)
    shaped = Lut(table=_on_lattice(grade, axes), shaper=shaper, title=title)
    return shaped if cube_max_error(recipe, shaped) < loss else plain


def _lattice_axes(lut: Lut) -> list[_Floats]:
    assert lut.table is not None
    ends = zip(lut.domain_min, lut.domain_max, strict=True)
    return [np.linspace(a, b, len(lut.table), dtype=np.float32) for a, b in ends]


def _on_lattice(grade: CompiledGrade, axes: list[_Floats]) -> _Floats:
    """Grade every lattice point; axes are red, green, blue, the table [blue, green, red]."""
    red, green, blue = axes
    points = np.empty((len(blue), len(green), len(red), 3), np.float32)
    points[..., 0] = red
    points[..., 1] = green[:, None]
    points[..., 2] = blue[:, None, None]
    graded = grade.apply(points.reshape(len(blue), -1, 3))
    return np.asarray(graded, np.float32).reshape(points.shape)


def _shaper(grade: CompiledGrade, axis: _Floats) -> tuple[_Floats, list[_Floats]]:
    """Return a rising shaper (m, 3) and the inputs at which it reaches the axis's points.

    It rises with the length of the grade's path along the grey axis, plus a little everywhere,
    so that it can be inverted where the grade is flat.
    """
    codes = np.linspace(0, 1, _SHAPER_SIZE, dtype=np.float32)
    greys = np.repeat(codes[None, :, None], 3, axis=2)
    steps = np.abs(np.diff(grade.apply(greys)[0].astype(np.float64), axis=0))
    steps += np.maximum(steps.sum(axis=0), 1e-6) * _EVENNESS / len(steps)
    path = np.vstack([np.zeros(3), np.cumsum(steps, axis=0)])
    shaper = (path / path[-1]).astype(np.float32)
    axes = [np.interp(axis, shaper[:, c], codes).astype(np.float32) for c in range(3)]
    return shaper, axes


def cube_max_error(recipe: GradeRecipe, lut: Lut) -> float:
    """Return the largest difference between a grade and a LUT that stands for it.

    Both are applied in float32 with the recipe's interpolation to a 53-point grid, a fine grey
    ramp, the three primaries' ramps and 131 072 seeded random colours, all from 0 to 1.

    Returns:
        The difference as a share of full scale, over all channels.
    """
    probes = _probes()
    exact = compile_grade(recipe).apply(probes)
    stand_in = apply_lut(probes, lut, interpolation=recipe.interpolation)
    return float(np.abs(exact - stand_in).max())


@cache
def _probes() -> _Floats:
    axis = np.linspace(0, 1, _GRID, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    ramp = np.linspace(0, 1, 4096, dtype=np.float32)[:, None]
    hues = np.vstack([np.ones(3), np.eye(3)]).astype(np.float32)
    ramps = np.vstack([ramp * hue for hue in hues])
    scattered = np.random.default_rng(0).random((_RANDOM, 3), dtype=np.float32)
    return np.vstack([grid, ramps, scattered])[None]
