"""The colour grade: what it is made of, and how it is applied.

A grade acts on a file's code values, taken as sRGB (IEC 61966-2-1). Its stages, in order:

1. exposure and white balance: code values are decoded to light, each channel is multiplied by
   its gain, and the result is encoded again;
2. contrast: a straight line through the pivot, on code values;
3. ASC CDL 1.2: slope, offset, held to 0-1, power; then saturation about Rec. 709 luma, held
   to 0-1;
4. the LUT;
5. intensity: the result mixed with the input.

A stage at its neutral value is left out, so a neutral grade returns the very same code values.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.channel_kernels import CDL, CONTRAST, GAIN
from studio_pipelines.media.colour_kernel import ColourProgram
from studio_pipelines.media.colour_program import PEAKS, run_program
from studio_pipelines.media.lut import Interpolation, check_mix, fold_shaper, lut_program
from studio_pipelines.media.lut_table import Float3, Lut
from studio_pipelines.media.picture import Pixels
from studio_pipelines.media.white_balance import white_balance_gains

MIDDLE_GREY: Final = 0.4613561295  # the sRGB code value of 18 % light
_ONES: Final[Float3] = (1.0, 1.0, 1.0)
_ZEROS: Final[Float3] = (0.0, 0.0, 0.0)
_Doubles = NDArray[np.float64]


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidParameter(f"{name} is {value}; it must be {low:g} to {high:g}.", field=name)


@dataclass(frozen=True)
class Cdl:
    """An ASC Color Decision List, version 1.2.

    Attributes:
        slope: Factor for each channel, 0 to 16.
        offset: Added after the slope, -4 to 4.
        power: Exponent after that, above 0 and up to 16.
        saturation: Factor about Rec. 709 luma, 0 to 16.
    """

    slope: Float3 = _ONES
    offset: Float3 = _ZEROS
    power: Float3 = _ONES
    saturation: float = 1.0

    def __post_init__(self) -> None:
        for channel in range(3):
            _check("cdl.slope", self.slope[channel], 0, 16)
            _check("cdl.offset", self.offset[channel], -4, 4)
            _check("cdl.power", self.power[channel], 0.01, 16)
        _check("cdl.saturation", self.saturation, 0, 16)


_NEUTRAL_CDL: Final = Cdl()


@dataclass(frozen=True)
class GradeRecipe:
    """A grade; the defaults change nothing.

    Attributes:
        exposure_stops: Doublings of the light, -10 to 10.
        temperature_mired: Shift of the white towards warm, -100 to 100 micro reciprocal degrees
            along the Planckian locus from D65; about -100 to 100 on a photo editor's slider.
        tint: Shift towards magenta, -100 to 100; 3000 is one unit of Duv (CIE 1960).
        contrast: Slope of the line through the pivot, 0 to 16.
        pivot: The code value that the contrast leaves alone, 0 to 1; middle grey by default.
        cdl: The colour decision list.
        lut: The LUT, or None.
        interpolation: How to read between the points of the LUT's 3D table.
        intensity: Share of the grade in the result, 0 to 1.

    Raises:
        InvalidParameter: A value is not a number within its range; ``field`` says which.
    """

    exposure_stops: float = 0.0
    temperature_mired: float = 0.0
    tint: float = 0.0
    contrast: float = 1.0
    pivot: float = MIDDLE_GREY
    cdl: Cdl = _NEUTRAL_CDL
    lut: Lut | None = None
    interpolation: Interpolation = "tetrahedral"
    intensity: float = 1.0

    def __post_init__(self) -> None:
        _check("exposure", self.exposure_stops, -10, 10)
        _check("temperature", self.temperature_mired, -100, 100)
        _check("tint", self.tint, -100, 100)
        _check("contrast", self.contrast, 0, 16)
        _check("pivot", self.pivot, 0, 1)
        check_mix(self.interpolation, self.intensity)

    @property
    def stages(self) -> int:
        """The stages before the LUT that are not neutral, as bits of ``channel_kernels``."""
        gain = (self.exposure_stops, self.temperature_mired, self.tint) != _ZEROS
        contrast = self.contrast != 1
        return GAIN * gain + CONTRAST * contrast + CDL * (self.cdl != _NEUTRAL_CDL)

    @property
    def is_neutral(self) -> bool:
        """Whether the grade changes nothing."""
        return self.intensity == 0 or (self.stages == 0 and self.lut is None)


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
        threads: int | None = None,
    ) -> Pixels:
        """Grade a picture in one pass over its pixels.

        Args:
            pixels: uint8, uint16 or float32, shape (height, width, 3 or 4). Alpha is passed on
                untouched.
            mask: uint8, uint16 or float32, shape (height, width): the share of the grade at each
                pixel, full at 255, 65535 or 1.
            out: Where to write, of the pixels' shape and type; may be ``pixels``.
            threads: How many threads; by default one for each core this process may use.

        Returns:
            ``out``, or a new array.

        Raises:
            InvalidParameter: A shape, a type or the number of threads does not fit.
        """
        name = pixels.dtype.name
        if name not in self._programs:
            self._programs[name] = _program(self.recipe, PEAKS.get(name, 1.0))
        return run_program(self._programs[name], pixels, mask=mask, out=out, threads=threads)


def compile_grade(recipe: GradeRecipe) -> CompiledGrade:
    """Return the grade ready to run."""
    return CompiledGrade(recipe)


def _program(recipe: GradeRecipe, peak: float) -> ColourProgram:
    """Return a recipe in flat form; integers take the per-channel stages from a table."""
    if recipe.is_neutral:
        return lut_program(None, "tetrahedral", 1.0, peak)
    program = lut_program(recipe.lut, recipe.interpolation, recipe.intensity, peak)
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
    if recipe.lut is None or recipe.lut.shaper is None:
        return program._replace(code_curves=curves)
    shaped = lut_program(recipe.lut, recipe.interpolation, recipe.intensity, 1.0)
    program = program._replace(
        code_curves=curves, shaper=shaped.shaper, shaper_domain=shaped.shaper_domain
    )
    return program if saturates else fold_shaper(program)


def _gains(recipe: GradeRecipe) -> Float3:
    red, green, blue = white_balance_gains(recipe.temperature_mired, recipe.tint)
    factor = 2.0**recipe.exposure_stops
    return red * factor, green * factor, blue * factor


def _channel_parameters(recipe: GradeRecipe) -> NDArray[np.float32]:
    cdl = recipe.cdl
    shared = (recipe.contrast, recipe.pivot)
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
    if recipe.stages & CONTRAST:
        x = (x - recipe.pivot) * recipe.contrast + recipe.pivot
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
