"""What a request may ask of the depth operation."""

from typing import Literal

from pydantic import Field

from resources.model_shelf import AUTO
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.operation import Parameters

Output = Literal["png16", "exr", "npy", "preview", "normals", "pointcloud", "depth"]
Colormap = Literal["inferno", "magma", "viridis", "plasma", "cividis", "turbo", "grey"]
_STILL: tuple[Output, ...] = ("png16", "exr", "npy", "preview", "normals", "pointcloud")
_FILM: tuple[Output, ...] = ("depth", "preview")
_USUAL = 4


class DepthEstimate(Parameters):
    """What is estimated, by which model, and what is given back."""

    model: str = Field(
        AUTO, description="auto takes the best that is installed and gives what mode asks for."
    )
    mode: Literal["relative", "metric"] | None = Field(
        None,
        description="relative: inverse depth up to scale and shift. metric: metres, which takes a "
        "model for it. When left out, what a named model gives; relative of auto.",
    )
    max_depth: float | None = Field(
        None, gt=0, le=100_000, description="Metres beyond which metric depth is cut off."
    )
    focal_length_px: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="Of the picture in pixels, for normals and pointcloud. When left out, from the "
        "EXIF's 35 mm equivalent, or from the model, or that of a 60 degree field along the "
        "longer side; the answer says which.",
    )
    process_res: int | None = Field(
        None,
        ge=128,
        le=2048,
        description="Side in pixels that the picture is scaled to for the model, the longer one of "
        "studio-depth-small (usual 384), the one that needs less scaling of Depth Anything (usual "
        "518). Depth Pro takes one size alone.",
    )
    detail: bool = Field(
        False,
        description="Look at overlapping tiles too, each brought to the whole picture's scale and "
        "shift: finer, and as many times as long. Of a picture.",
    )
    invert: bool = Field(
        False,
        description="Far is large instead of near (relative), or 1/m instead of metres (metric).",
    )
    colormap: Colormap = Field("inferno", description="Of the preview.")
    outputs: tuple[Output, ...] | None = Field(
        None,
        description="What to give back. Of a picture: png16 (smallest value 0, largest 65535), exr "
        "(32-bit, channel Z), npy, preview, normals, pointcloud (PLY); when left out the first "
        "four. Of a video: depth (FFV1, 16-bit grey), preview.",
    )


def wanted_outputs(params: DepthEstimate, *, is_video: bool) -> tuple[Output, ...]:
    """Return what is to be given back, the main result first.

    Raises:
        InvalidParameter: Nothing is asked for, or what there is not of a picture, or of a video.
    """
    offered = _FILM if is_video else _STILL
    if params.outputs is None:
        return offered[:_USUAL]
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
    return tuple(name for name in offered if name in params.outputs)


def require_what_fits(params: DepthEstimate, *, is_video: bool, is_metric: bool) -> None:
    """Refuse parameters that do not go together.

    Raises:
        InvalidParameter: They do not; ``field`` says which.
    """
    wanted_outputs(params, is_video=is_video)
    if params.max_depth is not None and not is_metric:
        raise InvalidParameter(
            "maxDepth is in metres, and the depth is relative.",
            field="maxDepth",
            hint="Leave it out, or ask for mode metric.",
        )
    if is_video and params.detail:
        raise InvalidParameter(
            "detail looks at a picture in tiles, and this is a video.", field="detail"
        )
