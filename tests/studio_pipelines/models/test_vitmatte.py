"""ViTMatte through transformers, on a small random checkpoint of the real class."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tiny_vitmatte
import torch

from studio_pipelines.errors import UnusableModel
from studio_pipelines.models.vitmatte import Stopped, VitMatte, load_vitmatte


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vitmatte.make(tmp_path_factory.mktemp("vitmatte"))


@pytest.fixture(scope="module")
def network(folder: Path) -> VitMatte:
    return load_vitmatte(folder, "cpu")


def scene(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    codes = np.random.default_rng(0).random((height, width, 3), np.float32)
    trimap = np.full((height, width), 128, np.uint8)
    trimap[:, : width // 4], trimap[:, -width // 4 :] = 0, 255
    return codes, trimap


def test_it_gives_what_the_upstream_class_gives(network: VitMatte, folder: Path) -> None:
    """For a picture of whole patches, prepared as the upstream processor says."""
    from transformers import VitMatteForImageMatting

    codes, trimap = scene(64, 96)
    upstream = VitMatteForImageMatting.from_pretrained(folder).eval()
    planes = np.concatenate([(codes - 0.5) / 0.5, trimap[..., None] / np.float32(255)], axis=-1)
    with torch.inference_mode():
        expected = upstream(
            pixel_values=torch.from_numpy(planes.astype(np.float32)).permute(2, 0, 1)[None]
        ).alphas[0, 0].numpy()  # fmt: skip
    found = network.solve(codes, trimap, codes[..., 0])
    unknown = trimap == 128
    assert np.abs(found - expected)[unknown].max() < 1e-5
    assert (found[~unknown] == (trimap[~unknown] > 0)).all()


@pytest.mark.parametrize("size", [(64, 96), (50, 33), (1, 1)])
def test_pictures_of_any_size_are_solved(network: VitMatte, size: tuple[int, int]) -> None:
    codes, trimap = scene(*size)
    found = network.solve(codes, trimap, codes[..., 0])
    assert found.shape == size
    assert found.min() >= 0
    assert found.max() <= 1


def test_it_can_be_stopped(network: VitMatte) -> None:
    codes, trimap = scene(512, 512)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: [network.solve(codes, trimap, codes[..., 0])] * 1)
        while not running.done():
            network.stop()
        with pytest.raises(Stopped):
            running.result()
    assert network.solve(*scene(64, 64), codes[:64, :64, 0]).shape == (64, 64), "the next one runs"


def test_what_is_no_such_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="ViTMatte"):
        load_vitmatte(tmp_path, "cpu")
