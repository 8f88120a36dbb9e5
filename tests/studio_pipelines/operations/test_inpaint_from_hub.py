"""Inpainting models as they are declared, pulled from a hub, and used: the files that are asked for
are those that the pipelines load."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import tiny_inpainting_models as tiny
from loopback_hub import Hub, loopback_hub

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
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    encode_picture(Picture(pixels), tmp_path / "image")
    image = folder_store.adopt(tmp_path / "image", media_type="image/png").id
    settings: dict[str, Any] = {"box": [50, 40, 90, 80], "model": name}
    if name != "lama-of-ours":
        settings |= {"prompt": "a red house", "steps": 2}
    result = job_of(OPERATION).execute_in_process(
        run_config={
            "ops": {OPERATION.name: {"inputs": {"image": image}, "config": settings}},
        },
        resources={
            "artifacts": folder_store,
            "embeddings": EmbeddingCache(folder=str(tmp_path / "embeddings")),
            "gpu": Gpu(preference="cpu"),
            "models": models,
            "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
            "io_manager": dg.mem_io_manager,
        },
    )
    told = result.asset_materializations_for_node(OPERATION.name)[0].metadata["result"].value
    assert told["model"]["name"] == name
    assert told["model"]["source"].startswith("hub:")
    assert told["verification"]["outsideUnchanged"] is True
