"""A small ONNX network that takes what is red for the subject, as BiRefNet is exported: logits."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE_PX = 32


def make(folder: Path) -> Path:
    """Save the network; return its folder."""
    folder.mkdir(exist_ok=True)
    weights = np.array([4, -4, -1], np.float32).reshape(1, 3, 1, 1)
    shape = ["batch", 3, "height", "width"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input_image", "weights"], ["output_image"])],
        "redness",
        [helper.make_tensor_value_info("input_image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output_image", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), folder / "model.onnx")
    return folder


def declaration(folder: Path) -> str:
    """Save it, and declare it as a user would."""
    return f"""
[[model]]
name = "tiny-birefnet"
version = "1"
licence = "MIT"
commercial_use = true
serves = ["vfx-compositor", "mask-segmenter"]
role = "subject"
engine = "birefnet"
options = {{ side_px = {SIDE_PX} }}
memory_mib = 1
source = "folder:{make(folder)}"
files = [{{ path = "birefnet.onnx", from = "model.onnx" }}]
"""
