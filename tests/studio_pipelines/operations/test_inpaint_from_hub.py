"""Inpainting models as they are declared, pulled from a hub, and used: the files that are asked for
are those that the pipelines load."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_inpainting_models as tiny
from inpaint_jobs import SHIPPED, run_inpainting, told
from loopback_hub import Hub, loopback_hub

from resources.artifacts import ArtifactStore
from resources.model_pull import pull
from resources.model_store import ModelStore

LAMA = """\
[[model]]
name = "lama-of-ours"
version = "1"
licence = "Apache-2.0"
commercial_use = true
serves = ["inpaint-model"]
engine = "lama"
memory_mib = 8
source = "hub:someone/lama"
files = [{ path = "./", from = ["*.safetensors"] }]
"""
# What is declared, and the small model of the same classes that the hub has in its place.
REPOSITORIES = {
    "stable-diffusion-inpainting": "tiny-sd",
    "stable-diffusion-xl-inpainting": "tiny-sdxl",
    "flux-fill-dev": "tiny-flux",
    "lama-of-ours": "tiny-lama",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with loopback_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def pulled(name: str, hub: Hub, tmp_path: Path) -> ModelStore:
    root = tmp_path / "models"
    root.mkdir()
    (root / "lama.toml").write_text(LAMA)
    store = ModelStore(folder=str(root), declared_in=[str(SHIPPED)], licence_policy="research")
    declared = store.shelf.declarations()[name]
    weights = tiny.make(REPOSITORIES[name], tmp_path / "weights")
    files = {
        str(path.relative_to(weights)): path.read_bytes()
        for path in weights.rglob("*")
        if path.is_file()
    }
    # What hubs also keep there, and what nobody may fetch: a pickle runs code when it is loaded.
    unwanted = {"README.md": b"# A model", "unet/diffusion_pytorch_model.bin": b"a pickle"}
    hub.commit(str(declared.source).removeprefix("hub:"), {**files, **unwanted})
    pull(store.shelf, declared, lambda _: None)
    return store


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_declared_model_comes_from_the_hub_and_fills_a_hole(
    name: str, hub: Hub, folder_store: ArtifactStore, tmp_path: Path
) -> None:
    models = pulled(name, hub, tmp_path)
    assert not any(path.endswith((".bin", ".md")) for path in hub.asked)
    diffusion: dict[str, Any] = (
        {} if name == "lama-of-ours" else {"prompt": "a red house", "steps": 2}
    )
    record = told(run_inpainting(folder_store, models, tmp_path, model=name, **diffusion))
    assert record["model"]["name"] == name
    assert record["model"]["source"].startswith("hub:")
    assert record["verification"]["outsideUnchanged"] is True
