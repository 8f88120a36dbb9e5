"""The networks that find the subject: the embedded ones' weights, and small graphs of our own."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image

from studio_pipelines.errors import UnusableModel
from studio_pipelines.model_shelf import model_shelf
from studio_pipelines.models.matting import SUBJECT_ROLE, SubjectNetwork, load_subject_network
from studio_pipelines.settings import load_settings

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
# Of the astronaut's picture, as shares of its sides: top, left, bottom, right.
PERSON = ((0.15, 0.35, 0.30, 0.55), (0.60, 0.10, 0.90, 0.50))
ROOM = ((0.02, 0.65, 0.50, 0.98), (0.02, 0.15, 0.25, 0.28))


@pytest.fixture(scope="module", params=["isnet-small", "u2netp"])
def network(request: pytest.FixtureRequest) -> SubjectNetwork:
    found = model_shelf(load_settings()).choose("vfx-compositor", request.param, SUBJECT_ROLE)
    return load_subject_network(found.folder, found.declaration.engine)


def astronaut(side_px: int) -> np.ndarray:
    with Image.open(SAMPLES / "astronaut.jpg") as picture:
        small = picture.convert("RGB").resize((side_px, side_px), Image.Resampling.BICUBIC)
    return np.asarray(small).astype(np.float32) / 255


def part(values: np.ndarray, shares: tuple[float, float, float, float]) -> np.ndarray:
    top, left, bottom, right = (round(share * len(values)) for share in shares)
    return values[top:bottom, left:right]


def test_the_person_is_found_and_the_room_is_not(network: SubjectNetwork) -> None:
    found = network.find(astronaut(network.side_px))
    assert found.shape == (network.side_px, network.side_px)
    assert found.dtype == np.float32
    assert min(part(found, place).mean() for place in PERSON) > 0.95
    assert max(part(found, place).mean() for place in ROOM) < 0.05


def test_a_search_can_be_stopped(network: SubjectNetwork) -> None:
    picture = astronaut(network.side_px)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: [network.find(picture) for _ in range(50)])
        time.sleep(0.5)
        network.stop()
        with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail):
            running.result(timeout=120)
    assert network.find(picture).max() > 0.9, "the next one runs"


def graph(folder: Path, shape: tuple[int | str, ...], kind: int = TensorProto.FLOAT) -> Path:
    """A network that answers with the mean of the prepared channels."""
    side = shape[-1]
    node = helper.make_node("ReduceMean", ["picture"], ["found"], axes=[1], keepdims=1)
    made = helper.make_graph(
        [node],
        "mean",
        [helper.make_tensor_value_info("picture", kind, shape)],
        [helper.make_tensor_value_info("found", kind, (1, 1, side, side))],
    )
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(made, opset_imports=[opset], ir_version=8), folder / "mean.onnx")
    return folder


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_each_engine_prepares_the_picture_in_its_way(tmp_path: Path, kind: int) -> None:
    picture = np.full((8, 8, 3), 0.25, np.float32)
    picture[0] = 0.5
    folder = graph(tmp_path, (1, 3, 8, 8), kind)
    isnet = load_subject_network(folder, "isnet").find(picture)
    assert isnet[3, 3] == pytest.approx(0, abs=2e-3), "below the middle, held to 0"
    u2net = load_subject_network(folder, "u2net").find(picture)
    expected = np.mean([(0.5 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))])
    assert u2net[3, 3] == pytest.approx(expected, abs=2e-3), "a quarter of half is a half"
    birefnet = load_subject_network(folder, "birefnet").find(picture)
    dark = np.mean([(0.25 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))])
    assert birefnet[3, 3] == pytest.approx(1 / (1 + np.exp(-dark)), abs=2e-3)
    done = load_subject_network(folder, "birefnet", {"gives_logits": False}).find(picture)
    assert done[3, 3] == 0


def test_what_is_no_such_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match=r"no \.onnx file"):
        load_subject_network(tmp_path, "isnet")
    with pytest.raises(UnusableModel, match="there are isnet, u2net, birefnet"):
        load_subject_network(graph(tmp_path, (1, 3, 8, 8)), "segformer")
    with pytest.raises(UnusableModel, match="must be a square picture"):
        load_subject_network(graph(tmp_path, (1, 4, 8, 8)), "birefnet")


def test_a_network_that_takes_any_size_gets_the_declared_one(tmp_path: Path) -> None:
    folder = graph(tmp_path, (1, 3, "height", "width"))
    assert load_subject_network(folder, "birefnet").side_px == 1024
    network = load_subject_network(folder, "birefnet", {"side_px": 16})
    assert network.find(np.zeros((16, 16, 3), np.float32)).shape == (16, 16)
