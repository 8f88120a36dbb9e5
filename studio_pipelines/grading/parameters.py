"""What a request may ask of the grading operation."""

from typing import Annotated, Literal

from pydantic import Field

from resources.artifact import Artifact
from studio_pipelines.errors import InvalidParameter
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

    auto: bool = Field(False, description="Have a network retouch the picture before all else.")
    model: str = Field("auto", description="The network of `auto`; auto takes the best installed.")
    match: Literal["reinhard", "mkl", "transport"] = Field(
        "mkl",
        description="How to match `reference`: mean and spread, the least linear change, or the "
        "whole distribution.",
    )
    strength: float = Field(1.0, ge=0, le=1, description="Share of `auto`, or of the match.")
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
    input_space: str | None = Field(
        None,
        max_length=128,
        description="The picture's colour space, such as ACEScg or `ARRI LogC4`, or `icc` for its "
        "own profile: the grade then acts in ACEScct. Left out, it acts on the file's code values.",
    )
    output_space: str | None = Field(
        None, max_length=128, description="Colour space of the result; the input's when left out."
    )
    display: str | None = Field(
        None, max_length=128, description="Display to render for, with `view`."
    )
    view: str | None = Field(None, max_length=128, description="View transform of the display.")
    colour_config: Literal["studio-aces-2", "studio-aces-1.3", "cg-aces-2", "cg-aces-1.3"] = Field(
        "studio-aces-2",
        description="OpenColorIO's built-in configuration that has the names.",
    )
    format: Literal["png", "jpeg", "webp", "tiff", "exr"] = Field(
        "png", description="Of the result."
    )
    quality: int | None = Field(None, ge=1, le=100, description="Of JPEG and WebP.")
    bit_depth: Literal[8, 16, 32] | None = Field(
        None,
        description="Bits of the result, the picture's when left out: 8 or 16 of png, 8, 16 or 32 "
        "(float) of tiff, 16 (half) or 32 of exr, which takes 16 when left out.",
    )
    dither: bool = Field(
        False, description="Spread the rounding of 8 and 16 bits as noise instead of steps."
    )
    codec: Literal["h264", "hevc", "prores"] = Field("h264", description="Of a video's result.")
    crf: int = Field(
        18, ge=0, le=51, description="Quality of h264 and hevc: lower is better, and larger."
    )
    outputs: tuple[Output, ...] = Field(
        ("cube", "preview", "scopes", "matte"),
        description="What to give beside the picture; `matte` where there is one.",
    )


def require_what_fits(
    params: GradingApply,
    *,
    image: Artifact | None,
    video: Artifact | None,
    reference: Artifact | None,
) -> None:
    """Refuse a request whose parts do not go together.

    Raises:
        InvalidParameter: They do not; ``field`` says which.
    """
    if (image is None) == (video is None):
        raise InvalidParameter(
            "There must be an image or a video to grade"
            + (", not both." if image is not None else "; there is none."),
            field="image",
        )
    if params.auto and reference is not None:
        raise InvalidParameter(
            "auto and reference are two ways to the same end; only one can be taken.",
            field="reference",
            hint="Leave one of them out, or grade twice.",
        )
    if params.input_space is not None and (params.auto or reference is not None):
        raise InvalidParameter(
            "auto and reference work on a picture's code values, not between colour spaces.",
            field="inputSpace",
            hint="Leave inputSpace out, or grade twice.",
        )
    _require_a_colour_path(params)
    _require_a_storable_depth(params)


def _require_a_colour_path(params: GradingApply) -> None:
    """Refuse names of colour spaces that do not make a way from one to another.

    Raises:
        InvalidParameter: They do not.
    """
    outward = (params.output_space, params.display, params.view)
    if params.input_space is None and any(name is not None for name in outward):
        raise InvalidParameter(
            "inputSpace is missing: without it nothing can be converted.",
            field="inputSpace",
            hint="Name the colour space that the picture is in.",
        )
    if (params.display is None) != (params.view is None):
        raise InvalidParameter(
            "display and view belong together; one of them is missing.",
            field="view" if params.view is None else "display",
        )
    if params.view is not None and params.output_space is not None:
        raise InvalidParameter(
            "outputSpace and view both say where to convert to; only one can be taken.",
            field="outputSpace",
        )


def _require_a_storable_depth(params: GradingApply) -> None:
    """Refuse a bit depth that the format does not have.

    Raises:
        InvalidParameter: With what the format has.
    """
    depths = {"png": (8, 16), "jpeg": (8,), "webp": (8,), "tiff": (8, 16, 32), "exr": (16, 32)}
    if params.bit_depth not in (None, *depths[params.format]):
        raise InvalidParameter(
            f"bitDepth is {params.bit_depth}; {params.format} has "
            f"{' or '.join(str(depth) for depth in depths[params.format])}.",
            field="bitDepth",
        )
