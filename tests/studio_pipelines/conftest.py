"""The studio with its real operations, once for all their tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_studio import RunningStudio, running_studio

from studio_pipelines.settings import load_settings

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture(scope="session")
def media_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    settings = load_settings(data_dir=tmp_path_factory.mktemp("media-studio"))
    with running_studio(settings, ("broker", "database", "worker", "api")) as running:
        yield running


@pytest.fixture(scope="session")
def samples() -> Path:
    return SAMPLES
