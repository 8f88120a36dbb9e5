"""The base of a grade, made from the picture itself: a network's retouching, or a match.

The network retouches a small copy, and a smooth LUT learns what it did. So the network's time does
not grow with the picture, the result is as sharp as the picture, and the same grade is a .cube.
What the network does to one place and not to another is left out.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from resources.lease import Lease
from resources.model_cache import ModelSource, Precision
from resources.model_folder import InstalledModel
from studio_pipelines.grading.parameters import GradingApply
from studio_pipelines.media.interruptible import run_interruptibly

if TYPE_CHECKING:
    from studio_pipelines.media.lut_table import Lut
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.models.maxim import Maxim


def network_source(installed: InstalledModel) -> ModelSource:
    """Return how to load a retouching network."""
    return ModelSource.of(installed, partial(_load, installed))


def base_lut(
    params: GradingApply,
    lease: Lease,
    network: ModelSource | None,
    picture: "Picture",
    reference: "Picture | None",
) -> "Lut | None":
    """Return the LUT that comes before all else, as strong as asked for, or None.

    Args:
        params: Which way of matching, and the strength.
        lease: Its order names the network.
        network: The network of ``auto``, or None.
        picture: RGB or RGBA.
        reference: What to match, or None.
    """
    from studio_pipelines.media.colour_match import match_lut
    from studio_pipelines.media.lut_table import weakened
    from studio_pipelines.media.sampled_codes import sampled_codes

    if network is not None:
        return weakened(_retouched(lease, network, picture), params.strength)
    if reference is None:
        return None
    wanted = sampled_codes(reference, as_in=picture)
    return weakened(match_lut(sampled_codes(picture), wanted, params.match), params.strength)


def _retouched(lease: Lease, source: ModelSource, picture: "Picture") -> "Lut":
    import numpy as np

    from studio_pipelines.media.lut_fit import fit_lut
    from studio_pipelines.media.sampled_codes import shrunk_codes
    from studio_pipelines.models.maxim import SIDE_PX

    network: Maxim = lease.model(source)
    before = shrunk_codes(picture, SIDE_PX)
    after = run_interruptibly(lambda: network.retouch(before), stop=network.stop)
    pairs = (each.reshape(-1, 3).astype(np.float64) for each in (before, after))
    return fit_lut(*pairs, title=source.name)


def _load(installed: InstalledModel, _device: str, _precision: Precision) -> Any:
    from studio_pipelines.models.maxim import Maxim

    return Maxim(installed.folder)
