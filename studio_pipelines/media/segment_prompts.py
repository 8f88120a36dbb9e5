"""What a person means, as prompts that a segmentation network takes."""

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.inpaint_mask import Sized
from studio_pipelines.media.logit_grid import logits_of
from studio_pipelines.media.mask_region import Mask, Region
from studio_pipelines.media.seen_picture import SeenPicture
from studio_pipelines.media.segment_frame import Frame, Window
from studio_pipelines.media.segmentation import (
    FIRST_CORNER,
    INSIDE,
    LAST_CORNER,
    Found,
    Prompt,
    Segmenter,
    ask,
)

Click = tuple[float, float, int]
"""x and y in pixels of the upright picture, and 1 inside or 0 outside of what is meant."""

Box = tuple[float, float, float, float]
_LOOKED_AT_PX: Final = 512
_ALIKE: Final = 0.5
_cv: Any = cv2  # half of it has no types


def require_within(picture: Sized, clicks: Sequence[Click]) -> None:
    """Make sure that the clicks are on the picture.

    Raises:
        InvalidParameter: One is not.
    """
    for number, (x, y, _) in enumerate(clicks):
        if not (0 <= x <= picture.width_px and 0 <= y <= picture.height_px):
            raise InvalidParameter(
                f"points[{number}] is at ({x:g}, {y:g}); the picture, upright, has "
                f"{picture.width_px} x {picture.height_px} pixels.",
                field="points",
                hint="Give pixels from the upright picture's top left corner.",
            )


def within(box: Box, picture: Sized) -> Box:
    """Return the part of a box that is on the picture.

    Raises:
        InvalidParameter: There is none.
    """
    x0, x1 = (min(max(0.0, edge), picture.width_px) for edge in box[::2])
    y0, y1 = (min(max(0.0, edge), picture.height_px) for edge in box[1::2])
    if x0 >= x1 or y0 >= y1:
        raise InvalidParameter(
            f"box is {list(box)}; of the picture's {picture.width_px} x {picture.height_px} pixels "
            "it covers none.",
            field="box",
            hint="Give [x0, y0, x1, y1] in pixels, x0 < x1 and y0 < y1.",
        )
    return x0, y0, x1, y1


def region_drawn(mask: Mask) -> Region:
    """Return a drawn mask's pixels.

    Raises:
        InvalidParameter: It is black everywhere.
    """
    height, width = mask.shape
    region = Region.of(mask, Window(0, 0, width, height), width, height)
    if not region.area_px:
        raise InvalidParameter(
            "mask: it is black everywhere, so it means nothing.",
            field="mask",
            hint="Draw what is meant in white.",
        )
    return region


def points_meant(
    clicks: Sequence[Click], box: Box | None, drawn: Region | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the points of a prompt, (n, 2), and their labels, (n,).

    The network was taught to mend masks by points: for a mask alone its innermost point and its box
    speak.

    Args:
        clicks: Within the picture.
        box: Around what is meant, or None.
        drawn: A mask that is to be refined, or None.
    """
    points = [(x, y) for x, y, _ in clicks]
    labels = [label for _, _, label in clicks]
    if drawn is not None and not clicks and box is None:
        points, labels, box = [innermost(drawn)], [INSIDE], drawn.box
    if box is not None:
        points += [box[:2], box[2:]]
        labels += [FIRST_CORNER, LAST_CORNER]
    return np.array(points, np.float32), np.array(labels, np.float32)


def prompt_in(
    frame: Frame,
    cells: int,
    points: NDArray[np.float32],
    labels: NDArray[np.float32],
    drawn: Region | None,
) -> Prompt:
    """Return the prompt for a network that sees this window."""
    begun = None if drawn is None else logits_of(drawn.whole(), frame, cells)
    return Prompt(points, labels, begun)


def masks_like(
    segmenter: Segmenter, seen: SeenPicture, drawn: Region, *, several: bool
) -> list[Found]:
    """Return the mask that a rough one stands for, or the three that it could, or none.

    The network clings to a mask that it is given, and to its box. So it is asked by the mask's
    innermost point alone, and the answer that is most like the mask is the one that is meant.

    Args:
        segmenter: The network.
        seen: What it knows of the picture.
        drawn: The rough mask.
        several: Whether all three are wanted.

    Returns:
        Nothing where no answer overlaps with the mask by half.
    """
    prompt = Prompt(np.array([innermost(drawn)], np.float32), np.array([INSIDE], np.float32))
    found = ask(segmenter, seen, [prompt], several=True)[0]
    likeness = [one.region(seen.width_px, seen.height_px).iou(drawn) for one in found]
    order = np.argsort(likeness)[::-1]
    if likeness[order[0]] < _ALIKE:
        return []
    return [found[n] for n in order[: None if several else 1]]


def innermost(region: Region) -> tuple[float, float]:
    """Return the point of a region that is farthest from its edge, x before y."""
    left, top, right, bottom = region.box
    window = Window(left, top, right - left, bottom - top)
    scale = min(1.0, _LOOKED_AT_PX / max(window.width_px, window.height_px))
    size = max(1, round(window.width_px * scale)), max(1, round(window.height_px * scale))
    small: Any = np.pad(region.sampled(window, *size), 1).view(np.uint8)
    depth: NDArray[np.float32] = _cv.distanceTransform(small, cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    x = left + (int(column) - 0.5) * window.width_px / size[0]
    y = top + (int(row) - 0.5) * window.height_px / size[1]
    return x, y
