"""The network of the segmenter, as a lease loads it."""

from functools import partial
from typing import Any

from resources.model_cache import ModelSource
from resources.model_folder import InstalledModel

WORKER = "mask-segmenter"


def segmenter_source(installed: InstalledModel) -> ModelSource:
    """Return how to load a segmentation network."""
    return ModelSource.of(installed, partial(_load, installed))


def _load(installed: InstalledModel, device: str, _precision: str) -> Any:
    from studio_pipelines.models.segment_engines import load_segmenter

    return load_segmenter(installed.declaration.engine, installed.folder, device)
