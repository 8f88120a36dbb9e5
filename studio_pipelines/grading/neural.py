"""The neural grade: a network retouches a small copy, and a smooth LUT learns what it did.

So the network's time does not grow with the picture, the result is as sharp as the picture, and
the same grade is a .cube. What the network does to one place and not to another is left out; the
mean difference is in ``bench/results/auto_grade.json``.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from resources.lease import Lease
from resources.model_cache import ModelSource, Precision
from resources.model_folder import InstalledModel
from studio_pipelines.media.interruptible import run_interruptibly

if TYPE_CHECKING:
    from studio_pipelines.media.lut_table import Lut
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.models.maxim import Maxim


def network_source(installed: InstalledModel) -> ModelSource:
    """Return how to load a retouching network."""
    return ModelSource.of(installed, partial(_load, installed))


def retouched_lut(lease: Lease, source: ModelSource, picture: "Picture", strength: float) -> "Lut":
    """Return the LUT that does to a picture what the network does to a small copy of it.

    Args:
        lease: Its order names the network.
        source: The network.
        picture: RGB or RGBA.
        strength: Share of the grade, 0 to 1.
    """
    import numpy as np

    from studio_pipelines.media.lut_fit import fit_lut
    from studio_pipelines.media.lut_table import weakened
    from studio_pipelines.media.sampled_codes import shrunk_codes
    from studio_pipelines.models.maxim import SIDE_PX

    network: Maxim = lease.model(source)
    before = shrunk_codes(picture, SIDE_PX)
    after = run_interruptibly(lambda: network.retouch(before), stop=network.stop)
    pairs = (each.reshape(-1, 3).astype(np.float64) for each in (before, after))
    return weakened(fit_lut(*pairs, title=source.name), strength)


def _load(installed: InstalledModel, _device: str, _precision: Precision) -> Any:
    from studio_pipelines.models.maxim import Maxim

    return Maxim(installed.folder)
