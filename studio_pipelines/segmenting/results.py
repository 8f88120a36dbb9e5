"""Masks as files: PNG, run lengths or outlines, and a picture with all of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio_pipelines.kept_files import Files
from studio_pipelines.media.sniff import PNG
from studio_pipelines.segmenting.finding import Findings, Meant, Segment
from studio_pipelines.segmenting.parameters import MaskSegment
from studio_pipelines.segmenting.sight import Sight

if TYPE_CHECKING:
    from studio_pipelines.media.mask_region import Region

JSON_MIME = "application/json"


def records(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Return what is told of each mask, in their order."""
    return [
        {
            "score": round(one.score, 4),
            "stability": round(one.stability, 4),
            "areaPx": one.region.area_px,
            "box": list(one.region.box),
            **({} if one.point is None else {"point": [round(at, 1) for at in one.point]}),
        }
        for one in segments
    ]


def write_masks(
    params: MaskSegment, sight: Sight, segments: Sequence[Segment], folder: Path
) -> Files:
    """Write the masks as they were asked for; return the files by the results' names."""
    if params.format == "png" and not segments:
        return {"mask": (_write_png(sight.nothing(), params.feather, folder, 0), PNG.mime)}
    if params.format == "png":
        return {
            f"mask{number or ''}": (
                _write_png(one.region, params.feather, folder, number),
                PNG.mime,
            )
            for number, one in zip((0, *range(2, len(segments) + 1)), segments, strict=True)
        }
    told = [
        {**record, **_shape_of(one, params.format)}
        for record, one in zip(records(segments), segments, strict=True)
    ]
    path = folder / "masks.json"
    size = {"width": sight.width_px, "height": sight.height_px}
    path.write_text(json.dumps({"size": size, "masks": told}, separators=(",", ":")))
    return {"masks": (path, JSON_MIME)}


def _write_png(region: "Region", feather_px: float, folder: Path, number: int) -> Path:
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.mask_region import softened
    from studio_pipelines.media.picture import Picture

    path = folder / f"mask{number or ''}.png"
    encode_picture(Picture(softened(region.whole(), feather_px)[..., None]), path)
    return path


def _shape_of(segment: Segment, format: str) -> dict[str, Any]:  # noqa: A002  the request's word
    from studio_pipelines.media.mask_polygons import polygons_of
    from studio_pipelines.media.mask_rle import compressed, run_lengths

    region = segment.region
    if format == "polygons":
        return {"polygons": polygons_of(region)}
    counts = compressed(run_lengths(region))
    return {"rle": {"size": [region.height_px, region.width_px], "counts": counts}}


def overlay(sight: Sight, findings: Findings, meant: Meant | None) -> bytes:
    """Return a PNG of the masks over the part of the picture that was looked at."""
    from studio_pipelines.media.mask_overlay import overlay_png

    return overlay_png(
        sight.view(findings.window),
        findings.window,
        [one.region for one in findings.segments],
        points=() if meant is None else [(x, y, bool(label)) for x, y, label in meant.clicks],
        box=None if meant is None else meant.box,
    )


def notes(sight: Sight, findings: Findings) -> tuple[str, ...]:
    """Return what a person should know of the result."""
    told: list[str] = []
    window = findings.window
    if (window.width_px, window.height_px) != (sight.width_px, sight.height_px):
        told.append(
            f"The picture is a strip of {sight.width_px} x {sight.height_px} pixels: only "
            f"{list(window.corners)} was looked at, and the mask ends there."
        )
    if not any(one.region.area_px for one in findings.segments):
        told.append("Nothing was found.")
    return tuple(told)


def verification(segments: Sequence[Segment], meant: Meant | None) -> dict[str, Any]:
    """Return how far the first mask agrees with what was asked, or how sure all are."""
    least = min((one.stability for one in segments), default=0.0)
    if meant is None:
        found = [one for one in segments if one.point is not None]
        holding = [one for one in found if one.region.holds(*(one.point or (0, 0)))]
        share = len(holding) / len(found) if found else 0.0
        return {
            "passed": bool(segments),
            "pointsAgree": round(share, 4),
            "leastStability": round(least, 4),
        }
    region = segments[0].region
    agree = [region.holds(x, y) == bool(label) for x, y, label in meant.clicks]
    told: dict[str, Any] = {
        "passed": all(agree) and region.area_px > 0,
        "stability": round(segments[0].stability, 4),
    }
    if agree:
        told["pointsAgree"] = round(sum(agree) / len(agree), 4)
    if meant.drawn is not None:
        told["overlapWithMask"] = round(region.iou(meant.drawn), 4)
    if meant.box is not None:
        told["shareInBox"] = round(_share_in(meant.box, segments[0]), 4)
    return told


def _share_in(box: tuple[float, float, float, float], segment: Segment) -> float:
    region = segment.region
    if not region.area_px:
        return 0.0
    x0, y0, x1, y1 = (round(edge) for edge in box)
    rows = slice(max(0, y0 - region.top), max(0, y1 - region.top))
    columns = slice(max(0, x0 - region.left), max(0, x1 - region.left))
    return int(region.inside[rows, columns].sum()) / region.area_px
