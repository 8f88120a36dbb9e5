"""Inpainting jobs with installed models: which one runs, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import tiny_inpainting_models as tiny
from inpaint_jobs import SHIPPED, fault, run_inpainting, told

from resources.artifacts import ArtifactStore
from resources.model_pull import pull
from resources.model_store import ModelStore


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
    record = told(run_inpainting(folder_store, shelf, tmp_path, **config))
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
    found = fault(run_inpainting(folder_store, shelf, tmp_path, **config))
    assert (found["code"], found["field"]) == (code, field)
    if code == "model_not_installed":
        assert "studio models pull big-lama" in found["hint"]


def test_a_prompt_without_any_diffusion_model_says_how_to_get_one(
    folder_store: ArtifactStore, tmp_path: Path
) -> None:
    models = ModelStore(folder=str(tmp_path / "none"), declared_in=[str(SHIPPED)])
    found = fault(run_inpainting(folder_store, models, tmp_path, prompt="a tree"))
    assert found["code"] == "model_not_installed"
    assert "studio models pull stable-diffusion-inpainting" in found["hint"]
