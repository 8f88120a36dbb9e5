"""What an inpainting works on: the picture on its canvas, the hole, and the windows around it."""

from dataclasses import dataclass
from typing import Final, Literal

from studio_pipelines.errors import InvalidParameter, UnusableMedia
from studio_pipelines.media.inpaint_mask import (
    NO_MARGINS,
    Margins,
    Mask,
    expanded,
    extended,
    mask_of,
    mask_of_box,
    padded,
    transparent,
)
from studio_pipelines.media.inpaint_windows import WindowPlan, windows_of
from studio_pipelines.media.picture import Picture

Task = Literal["remove", "fill", "outpaint"]
Box = tuple[float, float, float, float]

# People draw masks a little inside of what they mean, and edges are soft.
REMOVE_EXPANDS_PX: Final = 4


@dataclass(frozen=True, eq=False)
class Scope:
    """What is worked on.

    Attributes:
        picture: The picture, on the larger canvas where it is extended.
        hole: (height, width) what is replaced.
        barred: (height, width) what may not be copied from, or None.
        void: (height, width) what is transparent, so that its colours mean nothing, or None.
        plan: How it is cut into windows.
    """

    picture: Picture
    hole: Mask
    barred: Mask | None
    void: Mask | None
    plan: WindowPlan

    @property
    def megapixels(self) -> float:
        """Size of the canvas."""
        return self.hole.size / 1e6

    @property
    def window_megapixels(self) -> float:
        """Size of the largest window."""
        boxes = (window.outer for window in windows_of(self.hole, self.plan))
        return max((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes) / 1e6


@dataclass(frozen=True, eq=False)
class Request:
    """What is asked for; see :func:`scope_of`.

    Attributes:
        task: ``remove``, ``fill`` or ``outpaint``.
        mask: A picture, white where it is to be replaced, or None.
        box: A rectangle instead: left, top, right, bottom in pixels.
        exclude: A picture, white where nothing may be copied from, or None.
        margins: By how much outpaint extends the canvas.
        expand_px: How far the mask grows; None is 4 to remove, else 0.
    """

    task: Task
    mask: Picture | None = None
    box: Box | None = None
    exclude: Picture | None = None
    margins: Margins = NO_MARGINS
    expand_px: int | None = None


def scope_of(picture: Picture, request: Request, plan: WindowPlan) -> Scope:
    """Work out what is replaced.

    Raises:
        InvalidParameter: Nothing is to be replaced, or the parts of the request don't go together.
        UnusableMedia: The picture holds NaN or infinity.
    """
    _check(picture, request)
    void, barred = transparent(picture), None
    if request.exclude is not None:
        barred = mask_of(request.exclude, picture, "exclude")
    hole = _drawn(picture, request)
    if request.task == "outpaint":
        picture, new = extended(picture, request.margins)
        hole = new if hole is None else new | padded(hole, request.margins)
        barred = None if barred is None else padded(barred, request.margins)
        void = None if void is None else padded(void, request.margins)
    assert hole is not None
    if not hole.any():
        raise InvalidParameter(
            "The mask is black everywhere: nothing is to be replaced.",
            field="mask",
            hint="White is replaced and black left alone; invert a mask that means the opposite.",
        )
    return Scope(picture, hole, barred, void, plan)


def _drawn(picture: Picture, request: Request) -> Mask | None:
    if request.mask is not None:
        drawn = mask_of(request.mask, picture, "mask")
    elif request.box is not None:
        drawn = mask_of_box(request.box, picture)
    else:
        return None
    expand_px = request.expand_px
    if expand_px is None:
        expand_px = REMOVE_EXPANDS_PX if request.task == "remove" else 0
    return expanded(drawn, expand_px)


def _check(picture: Picture, request: Request) -> None:
    if picture.has_non_finite:
        raise UnusableMedia(
            "image: it holds NaN or infinite values.", field="image", hint="Clean it first."
        )
    if request.mask is not None and request.box is not None:
        raise InvalidParameter("Both mask and box are given.", field="box", hint="Give one.")
    if request.task == "outpaint":
        if request.margins.is_empty:
            raise InvalidParameter(
                "extend is 0 on every side: outpaint has nothing to add.",
                field="extend",
                hint='For example {"left": 200, "right": 200}.',
            )
    elif not request.margins.is_empty:
        raise InvalidParameter(
            f"extend goes with the task outpaint; the task is {request.task}.", field="extend"
        )
    elif request.mask is None and request.box is None:
        raise InvalidParameter(
            "Nothing says what to replace.",
            field="mask",
            hint="Send a mask, white where the picture is to be replaced, or a box.",
        )
