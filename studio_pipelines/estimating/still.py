"""Estimate a picture's depth, at its full size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio_pipelines.estimating.network import Sight
from studio_pipelines.estimating.parameters import DepthEstimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from studio_pipelines.media.depth_geometry import Focal
    from studio_pipelines.media.depth_map import DepthMap
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.segment_frame import Window

Report = Callable[[float, str], None]
_WORKING_PX = 1024
"""Longest side of the map that the network's values are put together in, before tiles."""
_DETAILED_PX = 2560
_CHECKED_PX = 768


@dataclass(frozen=True, eq=False)
class Estimated:
    """A picture's depth.

    Attributes:
        depth: At the picture's size.
        focal: Of the picture.
        windows: How many times the network has looked.
        edge_agreement: Of the map's edges and the picture's, 0.5 to 1, or None without edges.
        has_subject: Whether a subject was found, and counted.
        notes: Plain sentences for the person.
    """

    depth: "DepthMap"
    focal: "Focal"
    windows: int
    edge_agreement: float | None
    has_subject: bool
    notes: tuple[str, ...]

    def verification(self) -> dict[str, Any]:
        """Return what was measured of the map."""
        import numpy as np

        from studio_pipelines.media.interruptible import bands

        values = self.depth.values
        finite = sum(int(np.isfinite(values[rows]).sum()) for rows in bands(*values.shape))
        agreement = self.edge_agreement
        return {
            "passed": finite == values.size and (agreement is None or agreement > 0.5),
            "finiteShare": finite / values.size,
            "edgeAgreement": None if agreement is None else round(agreement, 4),
        }


def estimate_still(
    params: DepthEstimate, picture: "Picture", sight: Sight, report: Report
) -> Estimated:
    """Estimate a picture's depth.

    Args:
        params: What is asked for.
        picture: Decoded; finite.
        sight: The models.
        report: Is told how far the work is, from 0.1 to 0.7.
    """
    from studio_pipelines.media.depth_check import edge_agreement
    from studio_pipelines.media.depth_geometry import focal_of
    from studio_pipelines.media.depth_map import oriented
    from studio_pipelines.media.depth_upsampling import at_full_size
    from studio_pipelines.media.network_view import scaled_codes

    looking = _Looking(params, picture, sight, report)
    small = looking.whole()
    small, has_subject = with_prior(small, picture, sight)
    if params.detail:
        small = looking.with_tiles(small)
    report(0.6, "fitting to the picture's edges")
    values = at_full_size(small, scaled_codes(picture, *small.shape), picture.pixels)
    depth = oriented(
        values,
        in_metres=sight.network.quantity == "metres",
        as_metric=sight.estimator.is_metric,
        invert=params.invert,
        most_m=params.max_depth,
    )
    height, width = _within(picture, _CHECKED_PX)
    agreement = edge_agreement(
        _shrunk(depth.values, height, width), scaled_codes(picture, height, width)
    )
    focal = focal_of(
        picture.height_px, picture.width_px, picture.exif, params.focal_length_px, looking.focal_px
    )
    notes = (*picture.notes, *notes_on(sight, has_subject=has_subject))
    return Estimated(depth, focal, looking.count, agreement, has_subject, notes)


class _Looking:
    """Looks at a picture, window by window."""

    def __init__(
        self, params: DepthEstimate, picture: "Picture", sight: Sight, report: Report
    ) -> None:
        self.count = 0
        self.focal_px: float | None = None
        self._params, self._picture, self._sight, self._report = params, picture, sight, report

    def whole(self) -> "NDArray[Any]":
        """Return the map of the whole picture, smaller than it."""
        from studio_pipelines.media.depth_windows import Grid, joined, strips

        picture = self._picture
        windows = strips(picture.height_px, picture.width_px)
        if len(windows) == 1:
            return self._look(windows[0])
        height, width = _within(picture, _WORKING_PX * len(windows) // 2)
        grid = Grid(height, width, picture.height_px, picture.width_px)
        return joined(grid, windows, self._look)

    def with_tiles(self, whole: "NDArray[Any]") -> "NDArray[Any]":
        """Return the same with the detail of tiles."""
        from studio_pipelines.media.depth_windows import Grid, refined, tiles

        picture = self._picture
        side_px = self._params.process_res or self._sight.network.usual_side_px
        windows = tiles(picture.height_px, picture.width_px, side_px)
        if len(windows) == 1:
            return whole
        height, width = _within(picture, _DETAILED_PX)
        grid = Grid(height, width, picture.height_px, picture.width_px)
        return refined(grid, whole, windows, self._look)

    def _look(self, window: "Window") -> "NDArray[Any]":
        from studio_pipelines.media.network_view import window_codes

        self._report(0.1 + 0.5 * self.count / (self.count + 4), "estimating depth")
        codes = window_codes(self._picture, window)
        found = self._sight.look(codes, self._params.process_res)
        self.count += 1
        if found.focal_length_px is not None and self.focal_px is None:
            # The window may have been shown smaller than it is.
            self.focal_px = found.focal_length_px * window.width_px / codes.shape[1]
        return found.values


def with_prior(
    small: "NDArray[Any]", picture: "Picture", sight: Sight
) -> "tuple[NDArray[Any], bool]":
    """Return the map with the prior's share, and whether a subject was found for it."""
    import cv2
    import numpy as np

    from studio_pipelines.media.depth_prior import blended, ramp_with_subject
    from studio_pipelines.media.network_view import window_codes
    from studio_pipelines.media.segment_frame import Window

    weight = sight.estimator.prior_weight
    if not weight:
        return small, False
    window = Window(0, 0, picture.width_px, picture.height_px)
    subject = sight.subject_in(window_codes(picture, window))
    height, width = small.shape
    if subject is None:
        subject = np.zeros((height, width), np.float32)
    shares: Any = cv2.resize(subject, (width, height), interpolation=cv2.INTER_AREA)
    prior = ramp_with_subject(np.clip(shares, 0, 1))
    return blended(small, prior, weight), bool((shares > 0.5).any())


def notes_on(sight: Sight, *, has_subject: bool) -> tuple[str, ...]:
    """Return what to tell of the model, in plain sentences."""
    estimator = sight.estimator
    if not estimator.prior_weight:
        return ()
    if estimator.subject is None:
        name = "no model that finds subjects is installed"
    else:
        name = f"{estimator.subject.name} found it" if has_subject else "none was found"
    told = (
        f"{estimator.installed.name} is a small model: its relative depth serves parallax, fog, "
        "blur and relighting, not measuring. It was mixed with the usual, that what is low in a "
        f"picture is near and its subject stands there ({name})."
    )
    return (told,)


def _within(picture: "Picture", longest_px: int) -> tuple[int, int]:
    """Return the picture's height and width, made no longer than that."""
    scale = min(1.0, longest_px / max(picture.height_px, picture.width_px))
    return max(1, round(picture.height_px * scale)), max(1, round(picture.width_px * scale))


def _shrunk(values: "NDArray[Any]", height: int, width: int) -> "NDArray[Any]":
    import cv2

    scaled: Any = cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)
    return scaled
