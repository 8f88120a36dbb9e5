"""What the network finds in a picture, by a prompt or everywhere, as masks that are mended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio_pipelines.media.interruptible import run_interruptibly
from studio_pipelines.segmenting.parameters import Box, MaskSegment, Point
from studio_pipelines.segmenting.sight import Sight

if TYPE_CHECKING:
    from studio_pipelines.media.automatic_masks import Candidate
    from studio_pipelines.media.mask_region import Region
    from studio_pipelines.media.segment_frame import Window
    from studio_pipelines.media.segmentation import Found, Segmenter
    from studio_pipelines.models.matting import SubjectNetwork

Report = Callable[[float], object]

# Shares of the picture below which islands and holes are taken for noise.
_NOISE_SHARE, _AUTO_NOISE_SHARE = 2e-5, 2e-4
# From here on it is worth the minutes that four more encodings take on a CPU.
_TILED_FROM_PX = 6000
# Shares of 0 and 1 have no logit.
_SUREST = 1e-4
_TILE_OVERLAP = 0.25
# Masks that overlap by more are one.
_ALIKE = 0.7


@dataclass(frozen=True, eq=False)
class Meant:
    """What a person means, checked against the picture.

    Attributes:
        clicks: x, y, and 1 inside or 0 outside.
        box: Around it, within the picture, or None.
        drawn: A mask to refine, or None.
    """

    clicks: tuple[tuple[float, float, int], ...]
    box: Box | None
    drawn: "Region | None"

    @property
    def is_drawn_alone(self) -> bool:
        """Whether nothing but a mask says it."""
        return self.drawn is not None and not self.clicks and self.box is None


@dataclass(frozen=True, eq=False)
class Segment:
    """A mask of the picture.

    Attributes:
        region: Its pixels.
        score: How well it overlaps with what is meant, 0 to 1, by the network's own estimate.
        stability: How little it depends on where the network's logits are cut, 0 to 1.
        point: Where the click was that found it, in `auto`; else None.
    """

    region: "Region"
    score: float
    stability: float
    point: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found.

    Attributes:
        segments: The masks.
        window: The part of the picture that was looked at.
    """

    segments: tuple[Segment, ...]
    window: "Window"


def what_is_meant(
    sight: Sight, points: Sequence[Point] | None, box: Box | None, drawn: Any
) -> Meant:
    """Check what a request means against the picture.

    Args:
        sight: The picture.
        points: Clicks, or None.
        box: Around what is meant, or None.
        drawn: A mask as a decoded picture, white where it is meant, or None.

    Raises:
        InvalidParameter: Something of it is not on the picture, or the mask is of another size.
    """
    from studio_pipelines.media.inpaint_mask import mask_of
    from studio_pipelines.media.segment_prompts import region_drawn, require_within, within

    clicks = tuple((point.x, point.y, int(point.label)) for point in points or ())
    require_within(sight, clicks)
    region = None
    if drawn is not None:
        region = region_drawn(
            mask_of(drawn, sight, "mask", white_means="white is what is meant, black is not")
        )
    return Meant(clicks, None if box is None else within(box, sight), region)


def find_meant(
    sight: Sight, segmenter: "Segmenter", meant: Meant, *, several: bool, least_px: int | None
) -> Findings:
    """Return what is meant: one mask, or the three that it could be, the best first."""
    from studio_pipelines.media.segment_frame import window_around
    from studio_pipelines.media.segment_prompts import masks_like, points_meant, prompt_in
    from studio_pipelines.media.segmentation import masks_by_prompt

    points, labels = points_meant(meant.clicks, meant.box, meant.drawn)
    window = window_around(points, sight.width_px, sight.height_px)
    seen = sight.seen(segmenter, window)
    prompt = prompt_in(seen.frame, segmenter.mask_cells, points, labels, meant.drawn)
    found: list[Found] = []
    if meant.drawn is not None and meant.is_drawn_alone:
        found = masks_like(segmenter, seen, meant.drawn, several=several)
    found = found or masks_by_prompt(segmenter, seen, prompt, several=several)
    least_px = _least(sight, least_px, _NOISE_SHARE)
    return Findings(tuple(_segment(sight, one, least_px) for one in found), window)


def find_all(sight: Sight, segmenter: "Segmenter", params: MaskSegment, report: Report) -> Findings:
    """Return everything that the network is sure of, the largest first."""
    from studio_pipelines.media.automatic_masks import joined
    from studio_pipelines.media.segment_frame import Window

    candidates = joined(_candidates(sight, segmenter, params, report), _ALIKE)
    candidates.sort(key=lambda one: -one.found.score * one.found.stability)
    least_px = _least(sight, params.min_area, _AUTO_NOISE_SHARE)
    kept: list[Segment] = []
    for one in candidates:
        segment = _segment(sight, one.found, least_px, one.point)
        is_copy = any(segment.region.is_like(other.region, _ALIKE) for other in kept)
        if segment.region.area_px >= max(1, least_px) and not is_copy:
            kept.append(segment)
        if len(kept) == params.max_masks:
            break
    kept.sort(key=lambda one: -one.region.area_px)
    return Findings(tuple(kept), Window(0, 0, sight.width_px, sight.height_px))


def find_subject(sight: Sight, network: "SubjectNetwork", least_px: int | None) -> Findings:
    """Return what the picture shows, told from its background."""
    import numpy as np

    from studio_pipelines.media.seen_picture import shown
    from studio_pipelines.media.segment_frame import Frame, Window
    from studio_pipelines.media.segmentation import Found

    window = Window(0, 0, sight.width_px, sight.height_px)
    frame = Frame(window, network.side_px, keeps_shape=False)
    codes = shown(sight.picture, window, frame.seen_px).astype(np.float32) / np.float32(255)
    shares = run_interruptibly(lambda: network.find(codes), stop=network.stop)
    shares = shares.clip(_SUREST, 1 - _SUREST)
    inside = shares > 0.5
    score = float(shares[inside].mean()) if inside.any() else 0.0
    found = Found(np.log(shares / (1 - shares)), score, frame)
    return Findings((_segment(sight, found, _least(sight, least_px, _NOISE_SHARE)),), window)


def _candidates(
    sight: Sight, segmenter: "Segmenter", params: MaskSegment, report: Report
) -> "list[list[Candidate]]":
    """Return the masks of each window, the largest window first."""
    from studio_pipelines.media.automatic_masks import Thresholds, masks_in
    from studio_pipelines.media.segment_frame import tiles

    thresholds = Thresholds(params.min_score, params.min_stability, _ALIKE)
    layers = _layers(sight) if params.crop_layers is None else params.crop_layers
    planned = [
        (window, max(1, params.points_per_side >> layer))
        for layer in range(layers + 1)
        for window in tiles(sight.width_px, sight.height_px, 1 << layer, _TILE_OVERLAP)
    ]
    found: list[list[Candidate]] = []
    for number, (window, points_a_side) in enumerate(planned):

        def told(share: float, done: int = number) -> None:
            report((done + share) / len(planned))

        seen = sight.seen(segmenter, window)
        found.append(masks_in(segmenter, seen, points_a_side, thresholds, told))
    return found


def _layers(sight: Sight) -> int:
    """Return how often to look closer: once at a picture that loses much by being scaled down."""
    from studio_pipelines.media.segment_frame import is_strip

    width_px, height_px = sight.width_px, sight.height_px
    return int(max(width_px, height_px) > _TILED_FROM_PX and not is_strip(width_px, height_px))


def _segment(
    sight: Sight, found: "Found", least_px: int, point: tuple[float, float] | None = None
) -> Segment:
    region = found.region(sight.width_px, sight.height_px)
    if sight.visible is not None:
        region = region.within(sight.visible)
    return Segment(region.mended(least_px), found.score, found.stability, point)


def _least(sight: Sight, least_px: int | None, share: float) -> int:
    return round(share * sight.width_px * sight.height_px) if least_px is None else least_px
