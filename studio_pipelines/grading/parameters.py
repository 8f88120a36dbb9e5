"""What a request may ask of the grading operation."""

from typing import Annotated, Literal

from pydantic import Field

from studio_pipelines.operation import Parameters

Triple = tuple[float, float, float]
Unit = Annotated[float, Field(ge=0, le=1)]
Range = tuple[Unit, Unit]
Degrees = Annotated[float, Field(ge=-360, le=720)]
Output = Literal["cube", "preview", "scopes", "matte"]


class CdlParameters(Parameters):
    """An ASC colour decision list, applied in the standard's order (ASC CDL 1.2)."""

    slope: Triple = Field(
        default=(1.0, 1.0, 1.0), description="Factor for red, green and blue, from 0."
    )
    offset: Triple = Field(default=(0.0, 0.0, 0.0), description="Sum for red, green and blue.")
    power: Triple = Field(default=(1.0, 1.0, 1.0), description="Exponent, above 0.")
    saturation: float = Field(
        default=1.0, ge=0, le=16, description="0 is grey, 1 leaves it as it is."
    )


class QualifierParameters(Parameters):
    """A range of colours that the grade is held to; HSV and Rec. 709 luma of the code values."""

    hue: tuple[Degrees, Degrees] | None = Field(
        None, description="From and to in degrees: red 0, green 120, blue 240; may pass 360."
    )
    saturation: Range = Field((0.0, 1.0), description="From and to.")
    luma: Range = Field((0.0, 1.0), description="From and to.")
    hue_softness: float = Field(15, ge=0, le=180, description="Edge in degrees outside the range.")
    saturation_softness: float = Field(0.1, ge=0, le=1, description="Edge outside the range.")
    luma_softness: float = Field(0.1, ge=0, le=1, description="Edge outside the range.")
    invert: bool = Field(False, description="Grade what lies outside the range instead.")


class GradingApply(Parameters):
    """The grade, in the order in which it is applied, and how to store the picture."""

    match: Literal["reinhard", "mkl", "transport"] = Field(
        "mkl",
        description="How to match `reference`: mean and spread, the least linear change, or the "
        "whole distribution.",
    )
    strength: float = Field(1.0, ge=0, le=1, description="Share of the match.")
    exposure: float = Field(0.0, ge=-10, le=10, description="In stops.")
    temperature: float = Field(
        0.0, ge=-100, le=100, description="In mired from D65: below 0 cooler, above 0 warmer."
    )
    tint: float = Field(0.0, ge=-100, le=100, description="Below 0 greener, above 0 more magenta.")
    contrast: float = Field(1.0, ge=0, le=16, description="Slope around the pivot; 1 is neutral.")
    pivot: float | None = Field(
        None, ge=0, le=1, description="Code value that contrast leaves alone; else middle grey."
    )
    cdl: CdlParameters = Field(
        default_factory=CdlParameters, description="Slope, offset, power and saturation."
    )
    interpolation: Literal["tetrahedral", "trilinear", "nearest"] = Field(
        "tetrahedral", description="How to read between the points of the look-up table."
    )
    intensity: float = Field(1.0, ge=0, le=1, description="Share of the grade in the result.")
    qualifier: QualifierParameters | None = Field(
        None, description="Grade a range of colours only; a `mask` narrows it further."
    )
    feather: float = Field(
        0.0, ge=0, le=500, description="Softens the mask or qualifier: Gaussian sigma in pixels."
    )
    format: Literal["png", "jpeg", "webp", "tiff"] = Field("png", description="Of the result.")
    quality: int | None = Field(None, ge=1, le=100, description="Of JPEG and WebP.")
    outputs: tuple[Output, ...] = Field(
        ("cube", "preview", "scopes", "matte"),
        description="What to give beside the picture; `matte` where there is one.",
    )
