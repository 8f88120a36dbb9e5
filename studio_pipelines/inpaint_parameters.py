"""What a request for an inpainting may say."""

from typing import Annotated, Literal

from pydantic import Field

from resources.model_shelf import AUTO
from studio_pipelines.operation import Parameters
from studio_pipelines.seeds import Seed
from studio_pipelines.segmenting.parameters import MOST_POINTS, Point


class Extend(Parameters):
    """How far the canvas is extended, in pixels."""

    left: int = Field(default=0, ge=0, le=8192, description="In pixels.")
    top: int = Field(default=0, ge=0, le=8192, description="In pixels.")
    right: int = Field(default=0, ge=0, le=8192, description="In pixels.")
    bottom: int = Field(default=0, ge=0, le=8192, description="In pixels.")


class ImageInpaint(Parameters):
    """What is replaced, how, and how to store the picture."""

    task: Literal["remove", "fill", "outpaint"] = Field(
        "remove",
        description="Remove what the mask covers, fill exactly the mask, or extend the canvas.",
    )
    box: tuple[float, float, float, float] | None = Field(
        None, description="[x0, y0, x1, y1] in pixels: a rectangle instead of a mask."
    )
    points: Annotated[list[Point], Field(min_length=1, max_length=MOST_POINTS)] | None = Field(
        None,
        description="Clicks on what is meant, instead of a mask, which the segmenter's model then "
        "makes; with a box around it, or without.",
    )
    extend: Extend = Field(default_factory=Extend, description="Margins that outpaint adds.")
    mask_expand: int | None = Field(
        None, ge=0, le=200, description="Pixels that the mask grows by; 4 to remove, else 0."
    )
    mask_blur: int = Field(
        0, ge=0, le=200, description="Pixels, from the mask's rim inward, of fading to the new."
    )
    hd_strategy: Literal["crop", "tile", "original"] = Field(
        "crop",
        description="Work on the surroundings of each hole, in tiles, or on the whole picture.",
    )
    crop_margin: int | None = Field(
        None,
        ge=16,
        le=4096,
        description="Pixels around a hole that are looked at; else half of its longer side.",
    )
    model: str = Field(
        AUTO, description="auto, studio-patchmatch, or the name of an installed model."
    )
    prompt: str = Field(
        "", max_length=2000, description="What the hole is to show; for diffusion models."
    )
    negative_prompt: str | None = Field(
        None, max_length=2000, description="What it is not to show; for diffusion models."
    )
    steps: int | None = Field(None, ge=1, le=200, description="Of denoising; for diffusion models.")
    guidance: float | None = Field(
        None, ge=0, le=100, description="How strongly the prompt counts; for diffusion models."
    )
    strength: float | None = Field(
        None, gt=0, le=1, description="Share of noise to begin with; for diffusion models."
    )
    seed: Seed = Field(0, description="Another one gives another filling; random draws one.")
    format: Literal["png", "jpeg", "webp", "tiff"] = Field("png", description="Of the result.")
    quality: int | None = Field(None, ge=1, le=100, description="Of JPEG and WebP.")
