"""Segment Anything 2 by a small, random model of transformers' own class."""

from pathlib import Path

import numpy as np
import pytest
import tiny_sam2
import torch
from transformers import Sam2Model

from studio_pipelines.errors import UnusableModel
from studio_pipelines.models.sam2 import Sam2, Stopped, load_sam2

SIDE = tiny_sam2.SIDE_PX
MEAN, SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sam2.make(tmp_path_factory.mktemp("models") / "sam2")


@pytest.fixture(scope="module")
def network(folder: Path) -> Sam2:
    return load_sam2(folder, "cpu")


def colours() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def test_it_knows_its_sizes(network: Sam2) -> None:
    assert network.side_px == SIDE
    assert network.mask_cells == SIDE // 4
    known = network.encode(colours())
    assert [value.shape for value in known.values()] == [
        (1, 4, SIDE // 4, SIDE // 4),
        (1, 8, SIDE // 8, SIDE // 8),
        (1, 32, SIDE // 16, SIDE // 16),
    ]


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("begun", [True, False])
def test_masks_are_those_of_the_model_from_picture_to_mask(
    folder: Path, network: Sam2, several: bool, begun: bool
) -> None:
    points = np.array([[[30, 40], [90, 100], [5, 7]]], np.float32)
    labels = np.array([[1, 0, 1]], np.float32)
    logits = np.linspace(-5, 5, (SIDE // 4) ** 2, dtype=np.float32).reshape(SIDE // 4, SIDE // 4)
    model = Sam2Model.from_pretrained(folder).eval()
    values = torch.from_numpy((colours() / 255 - MEAN) / SPREAD).float().permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = model(
            pixel_values=values,
            input_points=torch.from_numpy(points)[None],
            input_labels=torch.from_numpy(labels).long()[None],
            input_masks=torch.from_numpy(logits)[None, None] if begun else None,
            multimask_output=several,
        )
    masks, scores = network.decode(
        network.encode(colours()), points, labels, logits if begun else None, several=several
    )
    assert masks.shape == (1, 3 if several else 1, SIDE // 4, SIDE // 4)
    assert np.abs(masks - expected.pred_masks[0].numpy()).max() <= 1e-4
    assert np.abs(scores - expected.iou_scores[0].numpy()).max() <= 1e-4


def test_a_box_is_its_two_corners(folder: Path, network: Sam2) -> None:
    model = Sam2Model.from_pretrained(folder).eval()
    known = network.encode(colours())
    corners = np.array([[[20, 30], [80, 90]]], np.float32)
    embeddings = [torch.from_numpy(one) for one in known.values()]
    with torch.inference_mode():
        expected = model(
            image_embeddings=embeddings,
            input_boxes=torch.from_numpy(corners.reshape(1, 1, 4)),
            multimask_output=True,
        )
    labels = np.array([[2, 3]], np.float32)
    masks, _ = network.decode(known, corners, labels, several=True)
    assert np.abs(masks - expected.pred_masks[0].numpy()).max() <= 1e-4


def test_prompts_at_a_time_are_each_alone(network: Sam2) -> None:
    known = network.encode(colours())
    points = np.array([[[30, 40]], [[90, 100]]], np.float32)
    labels = np.ones((2, 1), np.float32)
    together, _ = network.decode(known, points, labels, several=True)
    for n in range(2):
        alone, _ = network.decode(known, points[n : n + 1], labels[:1], several=True)
        assert np.abs(together[n] - alone[0]).max() <= 1e-4


def test_it_can_be_stopped_between_two_layers(folder: Path) -> None:
    network = load_sam2(folder, "cpu")
    layers = list(network._model.vision_encoder.modules())
    layers[len(layers) // 2].register_forward_pre_hook(lambda *_: network.stop())
    with pytest.raises(Stopped):
        network.encode(colours())


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "sam2"}')
    with pytest.raises(UnusableModel, match="Segment Anything 2"):
        load_sam2(tmp_path, "cpu")
