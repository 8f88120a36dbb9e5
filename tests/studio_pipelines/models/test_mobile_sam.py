"""MobileSAM as it is pulled: the opened decoder beside the export, and what it finds.

``mobile_sam_export.npy`` is what the decoder as it was exported made of the prompts in ``ASKED``,
each without and with a mask to begin from: every sixteenth logit, and the estimated overlap.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from studio_pipelines.errors import UnusableModel
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.seen_picture import SeenPicture, UnreadableRecord, shown, view_of
from studio_pipelines.media.segment_frame import Frame, Window
from studio_pipelines.media.segmentation import INSIDE, Prompt, masks_by_prompt
from studio_pipelines.model_shelf import model_shelf
from studio_pipelines.models.mobile_sam import MobileSam, convert
from studio_pipelines.settings import load_settings

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[2] / "samples"
MAX_ERROR = 2e-4  # of logits up to about 20; processors sum in other orders
ASKED = (
    ([[300, 200]], [1]),
    ([[300, 200], [700, 650], [500, 100]], [1, 0, 1]),
    ([[250, 150], [800, 700]], [2, 3]),
)


@pytest.fixture(scope="module")
def network() -> MobileSam:
    return MobileSam(model_shelf(load_settings()).choose("mask-segmenter", "mobile-sam").folder)


@pytest.fixture(scope="module")
def astronaut(network: MobileSam) -> SeenPicture:
    with Image.open(SAMPLES / "astronaut.jpg") as opened:
        picture = Picture(np.asarray(opened.convert("RGB")))
    window = Window(0, 0, picture.width_px, picture.height_px)
    frame = Frame(window, network.side_px, network.keeps_shape)
    known = network.encode(shown(picture, window, frame.seen_px))
    view = view_of(picture, window)
    return SeenPicture(picture.width_px, picture.height_px, frame, view, known, has_holes=False)


def arrays(points: list[list[int]], labels: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([points], np.float32), np.array([labels], np.float32)


def test_the_opened_decoder_is_the_export(network: MobileSam) -> None:
    values = np.random.default_rng(0).standard_normal((1, 256, 64, 64))
    known = {"embedding": values.astype(np.float32)}
    begun = np.linspace(-8, 8, 65536, dtype=np.float32).reshape(256, 256)
    expected = iter(np.load(HERE / "mobile_sam_export.npy"))
    for points, labels in ASKED:
        for logits in (None, begun):
            # The export takes the best of three where there is one point, or a box alone.
            several = len(labels) < 3
            masks, scores = network.decode(known, *arrays(points, labels), logits, several=several)
            best = int(scores[0].argmax())
            wanted = next(expected)
            found = np.append(masks[0, best, 8::16, 8::16].ravel(), scores[0, best])
            assert np.abs(found - wanted).max() <= MAX_ERROR


def test_many_prompts_at_a_time_are_each_alone(network: MobileSam, astronaut: SeenPicture) -> None:
    points = np.array([[[450, 200]], [[820, 220]], [[350, 770]]], np.float32)
    labels = np.ones((3, 1), np.float32)
    together, scores = network.decode(astronaut.known, points, labels, several=True)
    assert together.shape == (3, 3, 256, 256)
    for n in range(3):
        alone, score = network.decode(astronaut.known, points[n : n + 1], labels[:1], several=True)
        assert np.abs(together[n] - alone[0]).max() <= 1e-3
        assert np.abs(scores[n] - score[0]).max() <= 1e-4


def test_a_click_finds_what_it_is_on(network: MobileSam, astronaut: SeenPicture) -> None:
    prompt = Prompt(np.array([[171, 385]], np.float32), np.array([INSIDE], np.float32))
    (badge,) = masks_by_prompt(network, astronaut, prompt, several=False)
    region = badge.region(512, 512)
    y, x = np.mgrid[:512, :512]
    round_badge = (x - 170) ** 2 + (y - 385) ** 2 <= 36**2
    mask = region.whole()
    assert (mask & round_badge).sum() / (mask | round_badge).sum() > 0.9
    assert badge.stability > 0.9


def test_what_is_kept_is_read_again(astronaut: SeenPicture) -> None:
    data = astronaut.to_bytes()
    back = SeenPicture.from_bytes(data)
    assert back.frame == astronaut.frame
    assert np.array_equal(back.view, astronaut.view)
    assert back.known.keys() == astronaut.known.keys()
    assert np.abs(back.known["embedding"] - astronaut.known["embedding"]).max() < 1e-3
    assert SeenPicture.from_bytes(data).to_bytes() == data
    for broken in (b"", data[: len(data) // 2], b"{}" + data):
        with pytest.raises(UnreadableRecord):
            SeenPicture.from_bytes(broken)


def test_encoding_can_be_stopped(network: MobileSam) -> None:
    colours = np.zeros((1024, 1024, 3), np.uint8)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(network.encode, colours)
        while not running.running():
            time.sleep(0.01)
        time.sleep(0.3)
        network.stop()
        with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail):
            running.result(timeout=60)


def test_another_decoder_is_refused(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "encoder.onnx").write_bytes(b"")
    info = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([node], "other", [info], [out])
    onnx.save(onnx.helper.make_model(graph), source / "sam.onnx")
    with pytest.raises(UnusableModel, match="decoder that was expected"):
        convert(source, target)
