"""The embedded models, as set-up has pulled them."""

import pytest

from resources.model_folder import InstalledModel
from studio_pipelines.model_shelf import model_shelf
from studio_pipelines.models.spleeter import Spleeter, load_spleeter
from studio_pipelines.settings import load_settings


@pytest.fixture(scope="session")
def spleeter_files() -> InstalledModel:
    return model_shelf(load_settings()).choose("audio-demixer", "spleeter-2stems")


@pytest.fixture(scope="session")
def spleeter(spleeter_files: InstalledModel) -> Spleeter:
    return load_spleeter(
        spleeter_files.path("vocals.ckpt"), spleeter_files.path("accompaniment.ckpt")
    )
