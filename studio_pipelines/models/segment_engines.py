"""How an installed segmentation model is loaded, by the engine that its declaration names."""

from pathlib import Path

from studio_pipelines.errors import UnusableModel
from studio_pipelines.media.segmentation import Segmenter

ENGINES = ("mobile-sam", "sam2")


def load_segmenter(engine: str, folder: Path, device: str) -> Segmenter:
    """Load a model.

    Args:
        engine: As the declaration names it.
        folder: The model's files.
        device: ``cpu``, or a CUDA device; MobileSAM runs on the CPU whatever it is.

    Raises:
        UnusableModel: There is no such engine, or the files are not what it loads.
    """
    if engine == "mobile-sam":
        from studio_pipelines.models.mobile_sam import MobileSam

        return MobileSam(folder)
    if engine == "sam2":
        from studio_pipelines.models.sam2 import load_sam2

        return load_sam2(folder, device)
    raise UnusableModel(
        f"The model's engine is {engine!r}; segmenting has {', '.join(ENGINES)}.", field="model"
    )
