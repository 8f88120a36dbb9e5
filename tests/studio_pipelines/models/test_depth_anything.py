"""Depth Anything and Depth Pro beside transformers' own way of running them."""

from pathlib import Path

import numpy as np
import pytest
import tiny_depth
import torch
from PIL import Image
from torch.nn import functional

from studio_pipelines.errors import UnusableModel
from studio_pipelines.models.depth_anything import (
    fitted_size,
    load_depth_anything,
    load_depth_pro,
    upsampled,
)
from studio_pipelines.models.depth_engines import load_depth_network
from studio_pipelines.models.stoppable import Stopped


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    samples = Path(__file__).resolve().parents[3] / "samples"
    with Image.open(samples / "astronaut.jpg") as image:
        return np.asarray(image.convert("RGB").crop((0, 0, 400, 240)))


@pytest.mark.parametrize(("kind", "quantity"), [("relative", "inverse"), ("metric", "metres")])
def test_the_depth_is_that_of_transformers_pipeline(
    tmp_path: Path, photo: np.ndarray, kind: str, quantity: str
) -> None:
    from transformers import DPTImageProcessorPil, pipeline

    folder = tiny_depth.depth_anything(tmp_path, kind)
    ours = load_depth_anything(folder, "cpu")
    theirs = pipeline(
        "depth-estimation",
        model=str(folder),
        image_processor=DPTImageProcessorPil.from_pretrained(folder),
        device="cpu",
    )
    expected = theirs(Image.fromarray(photo))["predicted_depth"].numpy()
    found = ours.estimate(photo, ours.usual_side_px)
    assert ours.quantity == quantity
    assert found.values.shape[0] % 14 == found.values.shape[1] % 14 == 0
    scaled = upsampled(found.values, *photo.shape[:2])
    assert np.ptp(expected) > 0.01
    assert np.abs(scaled - expected).max() <= 1e-3 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("size", [(480, 640), (640, 480), (100, 200), (3000, 4000), (7, 900)])
def test_a_picture_is_shown_in_the_processors_size(size: tuple[int, int]) -> None:
    from transformers.models.dpt.image_processing_pil_dpt import get_resize_output_image_size

    told = get_resize_output_image_size(np.zeros((3, *size), np.uint8), (518, 518), True, 14)
    expected = (max(14, told.height), max(14, told.width))
    assert fitted_size(*size, 518, 14) == expected


def test_depth_pro_is_shown_what_its_processor_shows(tmp_path: Path, photo: np.ndarray) -> None:
    """Its processor needs torchvision; its steps are few, and written out here."""
    from transformers import DepthProForDepthEstimation

    folder = tiny_depth.depth_pro(tmp_path)
    ours = load_depth_pro(folder, "cpu")
    side = ours.usual_side_px
    values = (torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255 - 0.5) / 0.5
    values = functional.interpolate(values, (side, side), mode="bilinear", antialias=False)
    with torch.inference_mode():
        told = DepthProForDepthEstimation.from_pretrained(folder).eval()(pixel_values=values)
    width = photo.shape[1]
    focal_px = 0.5 * width / torch.tan(0.5 * torch.deg2rad(told.field_of_view[0]))
    inverse = (told.predicted_depth[0] * width / focal_px).clamp(1e-4, 1e4)
    found = ours.estimate(photo, 99)
    assert found.focal_length_px == pytest.approx(float(focal_px), rel=1e-3)
    np.testing.assert_allclose(1 / found.values, inverse.numpy(), rtol=1e-3, atol=1e-3)


def test_an_estimate_can_be_stopped(tmp_path: Path, photo: np.ndarray) -> None:
    network = load_depth_anything(tiny_depth.depth_anything(tmp_path), "cpu")
    begin = network._watch.begin
    network._watch.begin = lambda: (begin(), network.stop())  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        network.estimate(photo, 70)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for load in (load_depth_anything, load_depth_pro):
        with pytest.raises(UnusableModel):
            load(tmp_path, "cpu")
    with pytest.raises(UnusableModel, match="nothing"):
        load_depth_network("nothing", tmp_path, "cpu")
    with pytest.raises(UnusableModel, match="studio-depth-small"):
        load_depth_network("studio-depth", tmp_path, "cpu")
