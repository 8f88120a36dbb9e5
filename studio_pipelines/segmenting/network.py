"""The networks of the segmenter, as a lease loads them."""

from functools import partial
from typing import Any

from resources.model_cache import ModelSource
from resources.model_declaration import MAIN_ROLE
from resources.model_folder import InstalledModel
from resources.model_shelf import ModelShelf

WORKER = "mask-segmenter"
SUBJECT_ROLE = "subject"
# Beside the picture, measured: MobileSAM's encoder, and ISNet.
_PROMPTED_MIB, _SUBJECT_MIB = 350, 1200
# The decoded picture, one mask of it and what is encoded of both.
_MIB_PER_MEGAPIXEL = 8


def choose_network(models: ModelShelf, name: str, *, subject: bool) -> InstalledModel:
    """Return the model that a request asks for.

    Raises:
        UnknownModel: No such model is declared.
        LicenceRefused: The policy does not admit it.
        ModelNotInstalled: It is not here.
    """
    return models.choose(WORKER, name, SUBJECT_ROLE if subject else MAIN_ROLE)


def network_source(installed: InstalledModel) -> ModelSource:
    """Return how to load a network."""
    return ModelSource.of(installed, partial(_load, installed))


def first_guess_mib(installed: InstalledModel, megapixels: float) -> float:
    """Return what a job needs beside the network, before any was measured."""
    is_subject = installed.declaration.role == SUBJECT_ROLE
    return (_SUBJECT_MIB if is_subject else _PROMPTED_MIB) + _MIB_PER_MEGAPIXEL * megapixels


def _load(installed: InstalledModel, device: str, _precision: str) -> Any:
    said = installed.declaration
    if said.role == SUBJECT_ROLE:
        from studio_pipelines.models.matting import load_subject_network

        return load_subject_network(installed.folder, said.engine, said.options)
    from studio_pipelines.models.segment_engines import load_segmenter

    return load_segmenter(said.engine, installed.folder, device)
