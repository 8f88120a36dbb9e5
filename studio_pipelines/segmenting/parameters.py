"""What a request may ask of the segmenting operation."""

from typing import Annotated, Literal

from pydantic import Field

from resources.artifact import Artifact
from resources.model_shelf import AUTO
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.operation import Parameters

MOST_POINTS = 64
Box = tuple[float, float, float, float]


class Point(Parameters):
    """A place in the upright picture."""

    x: float = Field(description="From the left edge, in pixels.")
    y: float = Field(description="From the top edge, in pixels.")
    label: Literal[0, 1] = Field(1, description="1 inside what is meant, 0 outside.")


class MaskSegment(Parameters):
    """What is meant: by points, a box and a mask, alone or together; or everything."""

    points: Annotated[list[Point], Field(min_length=1, max_length=MOST_POINTS)] | None = Field(
        None, description="Clicks on one object: inside it, or outside where a mask went too far."
    )
    box: Box | None = Field(None, description="[x0, y0, x1, y1] in pixels, around the object.")
    auto: bool = Field(False, description="Find everything, without a prompt.")
    subject: bool = Field(False, description="Find what the picture shows, without a prompt.")
    multimask: bool = Field(
        False, description="All three that the prompt could mean, such as part and whole."
    )
    model: str = Field(AUTO, description="Name of an installed model, or the best that is there.")
    format: Literal["png", "rle", "polygons"] = Field(
        "png",
        description="A PNG for each mask, white inside; or one JSON file with all, as COCO's run "
        "lengths or as outlines.",
    )
    min_area: int | None = Field(
        None,
        ge=0,
        le=10_000_000,
        description="Pixels: smaller islands of a mask go, and smaller holes are filled; in auto "
        "smaller masks go too. Left out: 0.002 % of the picture, in auto 0.02 %.",
    )
    feather: float = Field(
        0.0, ge=0, le=500, description="Softness of the edges in pixels; of PNG masks."
    )
    points_per_side: int = Field(
        32, ge=4, le=64, description="auto: clicks along each side; more find smaller things."
    )
    crop_layers: int | None = Field(
        None,
        ge=0,
        le=2,
        description="auto: 1 looks also at 2 x 2 parts of the picture, 2 at 4 x 4 as well. Left "
        "out: 1 for pictures longer than 6,000 pixels.",
    )
    min_score: float = Field(
        0.88, ge=0, le=1, description="auto: least overlap by the network's own estimate."
    )
    min_stability: float = Field(
        0.95, ge=0, le=1, description="auto: least share of a mask that is sure to be in it."
    )
    max_masks: int = Field(64, ge=1, le=256, description="auto: how many are kept, the surest.")


def require_what_fits(params: MaskSegment, mask: Artifact | None) -> None:
    """Make sure that the parts of a request go together.

    Raises:
        InvalidParameter: They do not, or nothing says what is meant.
    """
    given = {"points": params.points, "box": params.box, "mask": mask}
    named = [name for name, value in given.items() if value is not None]
    alone = [name for name in ("auto", "subject") if getattr(params, name)]
    extra = [*alone, *named, *(["multimask"] if params.multimask else [])]
    if alone and len(extra) > 1:
        raise InvalidParameter(
            f"{alone[0]} needs no prompt, and goes with no other: {extra[1]} is given too.",
            field=extra[1],
            hint="Leave one of them out.",
        )
    if not alone and not named:
        raise InvalidParameter(
            "Nothing says what is meant.",
            field="points",
            hint="Send points, a box or a mask; or auto for everything, subject for what the "
            "picture shows.",
        )
    if params.feather and params.format != "png":
        raise InvalidParameter(
            f"feather softens PNG masks; the format is {params.format}.",
            field="feather",
            hint="Ask for png, or leave it out.",
        )
    if params.points and not any(point.label for point in params.points) and len(named) == 1:
        raise InvalidParameter(
            "All points are outside of what is meant.",
            field="points",
            hint="Give one inside (label 1), a box, or a mask.",
        )
