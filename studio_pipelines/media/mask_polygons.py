"""Masks as polygons: outlines through the middles of a mask's outermost pixels."""

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np

from studio_pipelines.media.mask_region import Region

Ring = list[list[int]]
Polygon = list[Ring]

_cv: Any = cv2  # half of it has no types
# A line may leave out corners that it passes at this distance: half a step of the pixel grid.
TOLERANCE_PX: Final = 0.75


def polygons_of(region: Region, tolerance_px: float = TOLERANCE_PX) -> list[Polygon]:
    """Return a region's outlines, as GeoJSON's MultiPolygon has them.

    Filled with their own lines, as OpenCV and the HTML canvas do with a line of one pixel, they
    give the region again, up to the tolerance.

    Args:
        region: The mask.
        tolerance_px: How far a line may be from the pixels that it stands for.

    Returns:
        For each island its outline, and after it those of its holes: rings of [x, y], whole
        numbers of pixels in the picture, not closed.
    """
    if not region.area_px:
        return []
    drawn: Any = region.inside.view(np.uint8)
    offset = (region.left, region.top)
    contours, tree = _cv.findContours(drawn, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=offset)
    rings = [_simplified(contour, tolerance_px) for contour in contours]
    islands = {n: [rings[n]] for n in range(len(rings)) if tree[0, n, 3] < 0}
    for n, ring in enumerate(rings):
        if tree[0, n, 3] >= 0:
            islands[int(tree[0, n, 3])].append(ring)
    return list(islands.values())


def region_of_polygons(polygons: Sequence[Polygon], width_px: int, height_px: int) -> Region:
    """Return the pixels of polygons: what their outlines cover, without what their holes enclose.

    Args:
        polygons: From :func:`polygons_of`.
        width_px: The picture's width.
        height_px: Its height.
    """
    from studio_pipelines.media.segment_frame import Window

    corners = [corner for polygon in polygons for corner in polygon[0]]
    if not corners:
        return Region(width_px, height_px, 0, 0, np.zeros((0, 0), bool))
    points = np.array(corners)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    drawn: Any = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    offset = (-left, -top)
    for outline, *holes in polygons:
        _fill(drawn, outline, 1, offset)
        for hole in holes:
            # A hole's ring runs through the mask's own pixels: they stay.
            _fill(drawn, hole, 0, offset)
            cv2.polylines(drawn, [_points(hole, offset)], isClosed=True, color=1)
    place = Window(left, top, drawn.shape[1], drawn.shape[0])
    return Region.of(drawn.view(bool), place, width_px, height_px)


def _fill(drawn: Any, ring: Ring, value: int, offset: tuple[int, int]) -> None:
    cv2.fillPoly(drawn, [_points(ring, offset)], value)


def _points(ring: Ring, offset: tuple[int, int]) -> Any:
    return (np.array(ring) + offset).astype(np.int32)


def _simplified(contour: Any, tolerance_px: float) -> Ring:
    line: Any = _cv.approxPolyDP(contour, tolerance_px, closed=True)
    return line[:, 0].tolist()
