"""The colour grade, ready to run.

Without colour spaces a grade acts on a file's code values, taken as sRGB (IEC 61966-2-1). Its
stages, in order:

1. the base: a LUT made from the picture itself, by a match or a network;
2. exposure and white balance: code values are decoded to light, each channel is multiplied by
   its gain, and the result is encoded again;
3. contrast: a straight line through the pivot, on code values;
4. ASC CDL 1.2: slope, offset, held to 0-1, power; then saturation about Rec. 709 luma, held
   to 0-1;
5. the LUT;
6. intensity: the result mixed with the input.

Between colour spaces the picture is brought to a logarithmic space first, where all of this acts,
and to its output space or view last; gains of light are sums there ("printer lights").

A stage at its neutral value is left out, so a neutral grade returns the very same code values.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.channel_kernels import CDL, CONTRAST, GAIN, OFFSET
from studio_pipelines.media.colour_chain import Chain, run_chain
from studio_pipelines.media.colour_kernel import ColourProgram
from studio_pipelines.media.colour_program import PEAKS, run_program
from studio_pipelines.media.grade_recipe import GradeRecipe
from studio_pipelines.media.lut import fold_shaper, lut_program
from studio_pipelines.media.lut_table import Float3
from studio_pipelines.media.picture import Pixels
from studio_pipelines.media.white_balance import white_balance_gains

_Doubles = NDArray[np.float64]


@dataclass
class CompiledGrade:
    """A grade ready to run; keep it for many pictures or frames of the same grade.

    Attributes:
        recipe: What it does.
    """

    recipe: GradeRecipe
    _programs: dict[str, ColourProgram] = field(default_factory=dict[str, ColourProgram])

    def apply(
        self,
        pixels: Pixels,
        *,
        mask: NDArray[Any] | None = None,
        out: Pixels | None = None,
        dither: bool = False,
        threads: int | None = None,
    ) -> Pixels:
        """Grade a picture in one pass over its pixels.

        Args:
            pixels: uint8, uint16 or float32, shape (height, width, 3 or 4). Alpha is passed on
                untouched.
            mask: uint8, uint16 or float32, shape (height, width): the share of the grade at each
                pixel, full at 255, 65535 or 1.
            out: Where to write, of the pixels' shape and of any of these types; may be ``pixels``.
            dither: Whether to spread the rounding of integer results as noise of a triangular
                distribution, two code values wide, the same for each run.
            threads: How many threads; by default one for each core this process may use.

        Returns:
            ``out``, or a new array of the pixels' type.

        Raises:
            InvalidParameter: A shape, a type or the number of threads does not fit.
        """
        same_type = out is None or out.dtype == pixels.dtype
        if same_type and not dither and (self.recipe.is_neutral or _is_one_program(self.recipe)):
            program = self._program(pixels.dtype.name)
            return run_program(program, pixels, mask=mask, out=out, threads=threads)
        target = np.empty_like(pixels, order="C") if out is None else out
        return run_chain(
            self._chain(), pixels, mask=mask, out=target, dither=dither, threads=threads
        )

    def _program(self, pixel_type: str) -> ColourProgram:
        if pixel_type not in self._programs:
            self._programs[pixel_type] = _program(self.recipe, PEAKS.get(pixel_type, 1.0))
        return self._programs[pixel_type]

    def _chain(self) -> Chain:
        recipe, path = self.recipe, self.recipe.path
        whole = replace(recipe, base=None, path=path, intensity=1.0)
        programs: list[ColourProgram] = []
        if not recipe.changes_nothing:
            if recipe.base is not None:
                programs.append(lut_program(recipe.base, recipe.interpolation, 1.0, 1.0))
            if not whole.changes_nothing:
                programs.append(_program(whole, 1.0))
        return Chain(
            before=path.to_working if path else (),
            programs=tuple(programs),
            intensity=recipe.intensity,
            after=path.from_working if path else (),
        )


def compile_grade(recipe: GradeRecipe) -> CompiledGrade:
    """Return the grade ready to run."""
    return CompiledGrade(recipe)


def _is_one_program(recipe: GradeRecipe) -> bool:
    return recipe.path is None and (recipe.base is None or recipe.lone_lut is not None)


def _program(recipe: GradeRecipe, peak: float) -> ColourProgram:
    """Return a recipe in flat form; integers take the per-channel stages from a table."""
    if recipe.changes_nothing:
        return lut_program(None, "tetrahedral", 1.0, peak)
    lut = recipe.lut or recipe.base
    program = lut_program(lut, recipe.interpolation, recipe.intensity, peak)
    if not recipe.stages:
        return program
    saturates = recipe.cdl.saturation != 1
    program = program._replace(
        channels=_channel_parameters(recipe),
        channel_stages=recipe.stages,
        saturation=np.float32(recipe.cdl.saturation if saturates else -1),
    )
    if peak == 1:
        return program
    curves = shape_codes(recipe, np.arange(int(peak) + 1) / peak).astype(np.float32)
    if lut is None or lut.shaper is None:
        return program._replace(code_curves=curves)
    shaped = lut_program(lut, recipe.interpolation, recipe.intensity, 1.0)
    program = program._replace(
        code_curves=curves, shaper=shaped.shaper, shaper_domain=shaped.shaper_domain
    )
    return program if saturates else fold_shaper(program)


def _gains(recipe: GradeRecipe) -> Float3:
    """Return each channel's factor of light, or the sum that it is in the logarithmic space."""
    red, green, blue = white_balance_gains(recipe.temperature_mired, recipe.tint)
    factor = 2.0**recipe.exposure_stops
    gains = (red * factor, green * factor, blue * factor)
    if recipe.path is None:
        return gains
    red, green, blue = (math.log2(gain) * recipe.path.codes_per_stop for gain in gains)
    return red, green, blue


def _channel_parameters(recipe: GradeRecipe) -> NDArray[np.float32]:
    cdl = recipe.cdl
    shared = (recipe.contrast, recipe.contrast_pivot)
    rows = zip(_gains(recipe), cdl.slope, cdl.offset, cdl.power, strict=True)
    return np.array([(gain, *shared, *sop) for gain, *sop in rows], np.float32)


def shape_codes(recipe: GradeRecipe, codes: _Doubles) -> _Doubles:
    """Run the stages before the saturation on values that all three channels share.

    Args:
        recipe: The grade.
        codes: Code values, 0 to 1, any shape.

    Returns:
        Shape (3, ...): what each channel makes of them.
    """
    x = np.stack([codes] * 3).astype(np.float64)
    column = (3,) + (1,) * codes.ndim
    if recipe.stages & GAIN:
        x = _encode(_decode(x) * np.reshape(_gains(recipe), column))
    if recipe.stages & OFFSET:
        x = x + np.reshape(_gains(recipe), column)
    if recipe.stages & CONTRAST:
        x = (x - recipe.contrast_pivot) * recipe.contrast + recipe.contrast_pivot
    if recipe.stages & CDL:
        slope, offset, power = (
            np.reshape(row, column)
            for row in (recipe.cdl.slope, recipe.cdl.offset, recipe.cdl.power)
        )
        x = np.clip(x * slope + offset, 0, 1) ** power
    return x


def _decode(codes: _Doubles) -> _Doubles:
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def _encode(light: _Doubles) -> _Doubles:
    curved = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, curved)
