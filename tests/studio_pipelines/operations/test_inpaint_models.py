"""Inpainting jobs with installed models: which one runs, and what is refused."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import tiny_inpainting_models as tiny

from resources.artifacts import ArtifactStore
from resources.embedding_cache import EmbeddingCache
from resources.gpu import Gpu
from resources.model_pull import pull
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.jobs import job_of
from studio_pipelines.media.image_encode import encode_picture
from studio_pipelines.media.picture import Picture
from studio_pipelines.operations.image_inpaint import OPERATION

SHIPPED = Path(__file__).resolve().parents[3] / "studio_pipelines" / "models"
SIZE = (120, 160)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A models folder with a small SD and a small LaMa, beside what the project declares."""
    root = tmp_path_factory.mktemp("models")
    for name in ("tiny-sd", "tiny-lama"):
        weights = tiny.make(name, root / "weights" / name)
        (root / f"{name}.toml").write_text(tiny.declaration(name, weights))
    store = ModelStore(folder=str(root), declared_in=[str(SHIPPED)])
    for name in ("tiny-sd", "tiny-lama"):
        pull(store.shelf, store.shelf.declarations()[name], lambda _: None)
    return store


def run(store: ArtifactStore, models: ModelStore, tmp_path: Path, **config: Any) -> Any:
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    encode_picture(Picture(pixels), tmp_path / "image")
    image = store.adopt(tmp_path / "image", media_type="image/png").id
    name = OPERATION.name
    return job_of(OPERATION).execute_in_process(
        run_config={
            "ops": {
                name: {"inputs": {"image": image}, "config": {"box": [50, 40, 90, 80], **config}}
            }
        },
        resources={
            "artifacts": store,
            "embeddings": EmbeddingCache(folder=str(tmp_path / "embeddings")),
            "gpu": Gpu(preference="cpu"),
            "models": models,
            "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
            "io_manager": dg.mem_io_manager,
        },
        raise_on_error=False,
    )


def told(result: Any) -> dict[str, Any]:
    assert result.success
    events = result.asset_materializations_for_node(OPERATION.name)
    return events[0].metadata["result"].value


def fault(result: Any) -> dict[str, Any]:
    assert not result.success
    failed = next(event for event in result.all_events if event.is_step_failure)
    return failed.step_failure_data.user_failure_data.metadata["problem"].value


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ({}, "tiny-lama"),
        ({"prompt": "a red house", "steps": 2}, "tiny-sd"),
        ({"model": "tiny-sd", "steps": 2, "task": "outpaint", "box": None,
          "extend": {"left": 24}}, "tiny-sd"),
        ({"model": "studio-patchmatch"}, "studio-patchmatch"),
    ],
)  # fmt: skip
def test_the_model_that_fits_the_request_runs(
    folder_store: ArtifactStore,
    shelf: ModelStore,
    tmp_path: Path,
    config: dict[str, Any],
    model: str,
) -> None:
    record = told(run(folder_store, shelf, tmp_path, **config))
    assert record["model"]["name"] == model
    assert record["verification"]["outsideUnchanged"] is True
    assert (record["verification"]["fillUncertainty"] is None) == model.startswith("tiny")


@pytest.mark.parametrize(
    ("config", "code", "field"),
    [
        ({"model": "big-lama"}, "model_not_installed", "model"),
        ({"model": "nonsense"}, "unknown_model", "model"),
        ({"model": "flux-fill-dev"}, "licence_refused", "model"),
        ({"model": "tiny-lama", "prompt": "a tree"}, "invalid_parameter", "prompt"),
        ({"model": "studio-patchmatch", "steps": 4}, "invalid_parameter", "steps"),
    ],
)
def test_what_a_model_cannot_do_is_refused(
    folder_store: ArtifactStore,
    shelf: ModelStore,
    tmp_path: Path,
    config: dict[str, Any],
    code: str,
    field: str,
) -> None:
    found = fault(run(folder_store, shelf, tmp_path, **config))
    assert (found["code"], found["field"]) == (code, field)
    if code == "model_not_installed":
        assert "studio models pull big-lama" in found["hint"]


def test_a_prompt_without_any_diffusion_model_says_how_to_get_one(
    folder_store: ArtifactStore, tmp_path: Path
) -> None:
    models = ModelStore(folder=str(tmp_path / "none"), declared_in=[str(SHIPPED)])
    found = fault(run(folder_store, models, tmp_path, prompt="a tree"))
    assert found["code"] == "model_not_installed"
    assert "studio models pull stable-diffusion-inpainting" in found["hint"]
