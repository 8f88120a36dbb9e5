"""The embedded depth model: the encoder that is rebuilt, and the head that is ours."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from studio_pipelines.model_shelf import model_shelf
from studio_pipelines.models.stoppable import Stopped
from studio_pipelines.models.studio_depth import StudioDepth, load_studio_depth, normalised
from studio_pipelines.models.tiny_vit import TinyVit, weights_in
from studio_pipelines.settings import load_settings

MAX_HEAD_BYTES = 2_000_000
# Of values up to about 5; both libraries sum in their own order.
MAX_ERROR = 1e-4


def installed(worker: str, name: str) -> Path:
    return model_shelf(load_settings()).choose(worker, name).folder


@pytest.fixture(scope="module")
def model() -> StudioDepth:
    return load_studio_depth(installed("depth-estimator", "studio-depth-small"), "cpu")


def last_stage_of(path: Path, values: np.ndarray) -> np.ndarray:
    """What the export makes of a picture before its neck."""
    graph = onnx.load(path)
    neck = next(node for node in graph.graph.node if "neck" in node.name and node.op_type == "Conv")
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(neck.input[0]))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run([neck.input[0]], {"input": values})[0]


def test_the_rebuilt_encoder_is_the_export() -> None:
    path = installed("mask-segmenter", "mobile-sam") / "encoder.onnx"
    codes = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    values = normalised(np.kron(codes, np.ones((16, 16, 1), np.uint8)))
    encoder = TinyVit().eval()
    encoder.load_state_dict(weights_in(path))
    with torch.inference_mode():
        ours = encoder(values)[-1].numpy()
    theirs = last_stage_of(path, values.numpy())
    assert ours.shape == theirs.shape == (1, 320, 64, 64)
    assert np.abs(theirs).max() > 1
    assert np.abs(ours - theirs).max() < MAX_ERROR


def test_the_head_in_the_repository_is_small() -> None:
    folder = installed("depth-estimator", "studio-depth-small")
    assert (folder / "head.safetensors").stat().st_size < MAX_HEAD_BYTES


def test_a_picture_and_its_mirror_image_are_as_deep(model: StudioDepth) -> None:
    codes = np.random.default_rng(1).integers(0, 255, (12, 16, 3), np.uint8)
    picture = np.kron(codes, np.ones((24, 24, 1), np.uint8))
    seen = model.estimate(picture, 384).values
    mirrored = model.estimate(picture[:, ::-1], 384).values
    assert np.abs(seen - mirrored[:, ::-1]).max() < 1e-3
    assert abs(np.median(seen)) < 1e-4


def test_a_stopped_estimate_ends(model: StudioDepth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model._watch, "begin", model.stop)
    with pytest.raises(Stopped):
        model.estimate(np.zeros((64, 64, 3), np.uint8), 384)
