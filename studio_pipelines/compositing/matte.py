"""From a request's mask, trimap or network to a matte of the picture's size."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from studio_pipelines.compositing.parameters import VfxComposite

if TYPE_CHECKING:
    from studio_pipelines.compositing.cutting import Means
    from studio_pipelines.compositing.stills import Stills
    from studio_pipelines.media.coverage import Alpha
    from studio_pipelines.media.trimap import Trimap


def matte_of(
    params: VfxComposite,
    placed: "Stills",
    means: "Means",
    report: Callable[[float, str], None],
) -> "Alpha":
    """Return the coverage of the subject of an opaque picture.

    Args:
        params: How to refine it.
        placed: The picture with its mask or trimap, all of one size.
        means: How the subject is found.
        report: Is told how far the work is.
    """
    from studio_pipelines.media.matte_refining import plain_matte, refined_matte

    layer = placed.foreground
    if placed.mask is not None and params.refine == "none":
        return placed.mask
    shares = _rough(placed, means)
    if params.refine == "none":
        return plain_matte(shares, layer)
    report(0.4, "refining the matte")
    solve = means.solve if params.refine == "closedForm" else None
    return refined_matte(layer, shares, _trimap(params, placed, shares), solve)


def _rough(placed: "Stills", means: "Means") -> Any:
    """Return how surely each pixel is the subject, as far as that is known before refinement."""
    import numpy as np

    from studio_pipelines.media.matte_refining import working_size
    from studio_pipelines.media.resampling import resized_shares
    from studio_pipelines.media.trimap import drawn_trimap, midway

    size = working_size(placed.foreground)
    if placed.trimap is not None:
        return midway(drawn_trimap(resized_shares(placed.trimap, *size)))
    if placed.mask is None:
        return means.find(placed.foreground)
    return resized_shares(placed.mask, *size).astype(np.float32) / np.float32(65535)


def _trimap(params: VfxComposite, placed: "Stills", shares: Any) -> "Trimap":
    from studio_pipelines.media.matte_refining import resampled, working_size
    from studio_pipelines.media.resampling import resized_shares
    from studio_pipelines.media.trimap import automatic_trimap, drawn_trimap

    height, width = working_size(placed.foreground)
    if placed.trimap is not None:
        return drawn_trimap(resized_shares(placed.trimap, height, width))
    scale = height / placed.foreground.size[0]
    inward, outward = (
        None if asked is None else asked * scale for asked in (params.erode, params.dilate)
    )
    return automatic_trimap(resampled(shares, height, width), inward, outward)
