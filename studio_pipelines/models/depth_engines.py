"""How an installed depth model is loaded, by the engine that its declaration names."""

from pathlib import Path
from typing import TYPE_CHECKING

from studio_pipelines.errors import UnusableModel

if TYPE_CHECKING:
    from studio_pipelines.media.depth_network import DepthNetwork

METRIC_ROLE = "metric"
"""Of models that tell metres; the others tell inverse depth up to scale and shift."""

ENGINES = ("studio-depth", "depth-anything", "depth-pro")


def load_depth_network(engine: str, folder: Path, device: str) -> "DepthNetwork":
    """Load a model.

    Args:
        engine: As the declaration names it.
        folder: The model's files.
        device: ``cpu``, or a CUDA device.

    Raises:
        UnusableModel: There is no such engine, or the files are not what it loads.
    """
    if engine == "studio-depth":
        from studio_pipelines.models.studio_depth import load_studio_depth

        return load_studio_depth(folder, device)
    if engine == "depth-anything":
        from studio_pipelines.models.depth_anything import load_depth_anything

        return load_depth_anything(folder, device)
    if engine == "depth-pro":
        from studio_pipelines.models.depth_anything import load_depth_pro

        return load_depth_pro(folder, device)
    raise UnusableModel(
        f"The model's engine is {engine!r}; depth has {', '.join(ENGINES)}.", field="model"
    )
