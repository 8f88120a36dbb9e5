"""The record of a colour grade: what it is made of, checked."""

from dataclasses import dataclass
from typing import Final

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.channel_kernels import CDL, CONTRAST, GAIN, OFFSET
from studio_pipelines.media.colour_spaces import ColourPath
from studio_pipelines.media.lut import Interpolation, check_mix
from studio_pipelines.media.lut_table import Float3, Lut

MIDDLE_GREY: Final = 0.4613561295  # the sRGB code value of 18 % light
_ONES: Final[Float3] = (1.0, 1.0, 1.0)
_ZEROS: Final[Float3] = (0.0, 0.0, 0.0)


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
        base: A LUT that comes before all else, as a match or a network makes it, or None.
        exposure_stops: Doublings of the light, -10 to 10.
        temperature_mired: Shift of the white towards warm, -100 to 100 micro reciprocal degrees
            along the Planckian locus from D65; about -100 to 100 on a photo editor's slider.
        tint: Shift towards magenta, -100 to 100; 3000 is one unit of Duv (CIE 1960).
        contrast: Slope of the line through the pivot, 0 to 16.
        pivot: The code value that the contrast leaves alone, 0 to 1; None is middle grey.
        cdl: The colour decision list.
        lut: The LUT, or None.
        interpolation: How to read between the points of the LUT's 3D table.
        intensity: Share of the grade in the result, 0 to 1.
        path: The colour spaces that the picture comes from and goes to, with the one that the
            grade acts in; None where it acts on the file's code values, taken as sRGB.

    Raises:
        InvalidParameter: A value is not a number within its range; ``field`` says which.
    """

    base: Lut | None = None
    exposure_stops: float = 0.0
    temperature_mired: float = 0.0
    tint: float = 0.0
    contrast: float = 1.0
    pivot: float | None = None
    cdl: Cdl = _NEUTRAL_CDL
    lut: Lut | None = None
    interpolation: Interpolation = "tetrahedral"
    intensity: float = 1.0
    path: ColourPath | None = None

    def __post_init__(self) -> None:
        _check("exposure", self.exposure_stops, -10, 10)
        _check("temperature", self.temperature_mired, -100, 100)
        _check("tint", self.tint, -100, 100)
        _check("contrast", self.contrast, 0, 16)
        if self.pivot is not None:
            _check("pivot", self.pivot, 0, 1)
        check_mix(self.interpolation, self.intensity)

    @property
    def stages(self) -> int:
        """The stages before the LUT that are not neutral, as bits of ``channel_kernels``."""
        light = GAIN if self.path is None else OFFSET
        gain = (self.exposure_stops, self.temperature_mired, self.tint) != _ZEROS
        contrast = self.contrast != 1
        return light * gain + CONTRAST * contrast + CDL * (self.cdl != _NEUTRAL_CDL)

    @property
    def contrast_pivot(self) -> float:
        """The code value that the contrast leaves alone."""
        if self.pivot is not None:
            return self.pivot
        return MIDDLE_GREY if self.path is None else self.path.middle_grey

    @property
    def changes_nothing(self) -> bool:
        """Whether the grade between the colour spaces changes nothing."""
        luts = self.lut is not None or self.base is not None
        return self.intensity == 0 or (self.stages == 0 and not luts)

    @property
    def is_neutral(self) -> bool:
        """Whether the picture comes out as it went in."""
        return self.path is None and self.changes_nothing

    @property
    def lone_lut(self) -> Lut | None:
        """The LUT of a grade that is one LUT and a mix with the input, else None."""
        if self.path is not None or self.stages or (self.lut is None) == (self.base is None):
            return None
        return self.lut or self.base
