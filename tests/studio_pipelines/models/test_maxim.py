"""MAXIM as it is pulled: the converted network beside the graph as a plain interpreter ran it.

``maxim_tower.npy`` is every eighth pixel of what the original TensorFlow.js graph made of the
darkened ``tower.jpg``, operation by operation in float32.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from studio_pipelines.model_shelf import model_shelf
from studio_pipelines.models.maxim import SIDE_PX, Maxim
from studio_pipelines.settings import load_settings

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[2] / "samples"
MAX_ERROR = 5e-6  # 1.2e-6 was measured; other processors sum in other orders


@pytest.fixture(scope="module")
def network() -> Maxim:
    return Maxim(model_shelf(load_settings()).choose("grading-engine").folder)


def dark_tower() -> np.ndarray:
    with Image.open(SAMPLES / "tower.jpg") as picture:
        small = picture.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return np.asarray(small).astype(np.float32) / 255 * np.float32(0.55) + np.float32(0.02)


def test_a_retouching_can_be_stopped_and_the_next_one_is_the_originals(network: Maxim) -> None:
    before = dark_tower()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(network.retouch, before)
        while not running.running():
            time.sleep(0.01)
        time.sleep(0.3)
        network.stop()
        with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail):
            running.result(timeout=60)
    expected = np.clip(np.load(HERE / "maxim_tower.npy"), 0, 1)
    assert np.abs(network.retouch(before)[::8, ::8] - expected).max() <= MAX_ERROR
