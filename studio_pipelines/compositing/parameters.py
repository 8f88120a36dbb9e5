"""What a request may ask of the compositing operation."""

from typing import Annotated, Literal

from pydantic import Field

from resources.model_shelf import AUTO
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.operation import Parameters

Unit = Annotated[float, Field(ge=0, le=1)]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | tuple[Unit, Unit, Unit]
Output = Literal["composite", "foreground", "alpha", "exr", "prores4444", "frames"]
Refinement = Literal["closedForm", "guided", "none"]
Share = Annotated[float, Field(ge=-4, le=5)]

FAST = "fast"
FAST_MODEL = "u2netp"


class VfxComposite(Parameters):
    """How the subject is cut out, what it is laid over, and how, and what is given back."""

    model: str = Field(
        AUTO,
        description="Finds the subject: auto takes the best installed, fast is u2netp. Not used "
        "where a mask, a trimap or the foreground's own transparency tells. A model for trimaps, "
        "such as vitmatte-small, takes the place of closedForm.",
    )
    erode: float | None = Field(
        None, ge=0, le=500, description="Pixels that the automatic trimap's unknown reaches inward."
    )
    dilate: float | None = Field(
        None, ge=0, le=500, description="Pixels that the automatic trimap's unknown reaches out."
    )
    refine: Refinement | None = Field(
        None,
        description="How the matte is fitted to the picture's edges; when left out closedForm for "
        "a picture, guided for a video.",
    )
    temporal_smoothing: float = Field(
        0.5, ge=0, le=1, description="How steady a video's matte is held where nothing moves."
    )
    foreground_estimation: Literal["multilevel", "closedForm", "none"] = Field(
        "multilevel",
        description="How the subject's own colours are found where the old background shines "
        "through.",
    )
    choke: float = Field(
        0.0, ge=-50, le=50, description="Pixels that the edge moves inward; below 0 outward."
    )
    feather: float = Field(
        0.0, ge=0, le=500, description="Softens the edge: Gaussian sigma in pixels."
    )
    despill: float = Field(
        0.0, ge=0, le=1, description="Share of the old background's hue taken off the subject."
    )
    despill_colour: Colour | None = Field(
        None, description="That hue, #rrggbb or [r, g, b]; else it is found around the subject."
    )
    light_wrap: float = Field(
        0.0, ge=0, le=1, description="How much of the new background's light falls on the edge."
    )
    background_colour: Colour | None = Field(
        None, description="sRGB, #rrggbb or [r, g, b] in 0-1, instead of a background."
    )
    fit: Literal["cover", "contain", "stretch"] = Field(
        "cover", description="How the background fills a result of another shape."
    )
    size: Literal["foreground", "background"] = Field(
        "foreground", description="Whose width and height the result has."
    )
    position: tuple[Share, Share] = Field(
        (0.5, 0.5),
        description="Of the foreground's middle, across and down, as shares of the result.",
    )
    scale: float = Field(
        1.0, gt=0, le=16, description="Of the foreground; 1 is as large as fits whole."
    )
    blend_space: Literal["linear", "display"] = Field(
        "linear", description="Blend light, or code values as most programs do."
    )
    outputs: tuple[Output, ...] | None = Field(
        None,
        description="What to give back. Of a picture: composite, foreground (with transparency), "
        "alpha, exr (the foreground's light, multiplied by alpha, as half floats). Of a video: "
        "composite, foreground and alpha (fill and key), prores4444 (with transparency), frames "
        "(the same as PNG files). When left out, what there is of composite, foreground and alpha "
        "of a picture, of composite and prores4444 of a video.",
    )
    format: Literal["png", "jpeg", "webp", "tiff"] = Field(
        "png", description="Of a picture's composite; the rest is PNG."
    )
    quality: int | None = Field(None, ge=1, le=100, description="Of JPEG and WebP.")
    crf: int = Field(
        18, ge=0, le=51, description="Quality of a video's H.264: lower is better, and larger."
    )


def channels_of(colour: str | tuple[float, float, float]) -> tuple[float, float, float]:
    """Return a colour's red, green and blue, 0 to 1."""
    if not isinstance(colour, str):
        return colour
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def settled(params: VfxComposite, usual: Refinement = "closedForm") -> VfxComposite:
    """Return the parameters with the usual refinement, where none was asked for."""
    return params if params.refine is not None else params.model_copy(update={"refine": usual})


def wanted_outputs(
    params: VfxComposite, *, has_background: bool, is_video: bool
) -> tuple[Output, ...]:
    """Return what is to be given back, the main result first.

    Raises:
        InvalidParameter: Nothing is asked for, a composite over nothing, or what there is not of a
            picture, or of a video.
    """
    offered: tuple[Output, ...] = (
        ("composite", "prores4444", "foreground", "alpha", "frames")
        if is_video
        else ("composite", "foreground", "alpha", "exr")
    )
    if params.outputs is None:
        usual = offered[:2] if is_video else offered[:3]
        return usual if has_background else usual[1:]
    if not params.outputs:
        raise InvalidParameter("outputs is empty.", field="outputs")
    kind = "video" if is_video else "picture"
    for name in params.outputs:
        if name not in offered:
            raise InvalidParameter(
                f"outputs has {name}, which there is not of a {kind}.",
                field="outputs",
                hint=f"There are: {', '.join(offered)}.",
            )
    if "composite" in params.outputs and not has_background:
        raise InvalidParameter(
            "There is no background to lay the foreground over.",
            field="background",
            hint="Send a background or a backgroundColour, or leave composite out of outputs.",
        )
    return tuple(name for name in offered if name in params.outputs)


def require_what_fits(
    params: VfxComposite,
    *,
    is_video: bool,
    has_background: bool,
    has_trimap: bool,
    has_mask: bool,
) -> None:
    """Refuse a request whose parts do not go together.

    Raises:
        InvalidParameter: They do not; ``field`` says which.
    """
    if has_background and params.background_colour is not None:
        raise InvalidParameter(
            "background and backgroundColour both say what lies below; only one can be taken.",
            field="backgroundColour",
        )
    if is_video and (has_trimap or has_mask):
        field = "trimap" if has_trimap else "mask"
        raise InvalidParameter(
            f"The foreground is a video, and the {field} is of one frame.",
            field=field,
            hint="Leave it out; the subject is found in each frame.",
        )
    if has_trimap and has_mask:
        raise InvalidParameter(
            "trimap and mask both say where the subject is; only one can be taken.", field="mask"
        )
    if has_trimap and params.refine == "none":
        raise InvalidParameter(
            "A trimap leaves open what is to be found out, and refine is none.",
            field="refine",
            hint="Take closedForm, or send a mask.",
        )
    if params.size == "background" and not has_background:
        raise InvalidParameter("There is no background whose size could be taken.", field="size")
