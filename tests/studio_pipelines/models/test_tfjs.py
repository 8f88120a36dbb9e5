"""Graphs small enough to be worked out with NumPy, through the converter and ONNX Runtime."""

import base64
import json
from typing import Any

import numpy as np
import onnxruntime
import pytest

from studio_pipelines.errors import UnusableModel
from studio_pipelines.models.tfjs_graph import Graph, read_graph
from studio_pipelines.models.tfjs_onnx import to_onnx

SHAPE = (1, 6, 8, 4)


class Sketch:
    """Builds a graph as TensorFlow.js writes it."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = [{"name": "x", "op": "Placeholder"}]
        self.entries: list[dict[str, Any]] = []
        self.shards = b""

    def const(self, value: Any, dtype: str = "float32") -> str:
        array = np.asarray(value, dtype)
        name = f"c{len(self.entries)}"
        self.entries.append({"name": name, "shape": array.shape, "dtype": dtype})
        self.shards += array.tobytes()
        self.nodes.append({"name": name, "op": "Const"})
        return name

    def add(self, op: str, *sources: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append({"name": name, "op": op, "input": list(sources), "attr": attributes})
        return name

    def graph(self, result: str, **entry: Any) -> Graph:
        entries = [{**each, **entry} for each in self.entries]
        model = {
            "modelTopology": {"node": self.nodes},
            "weightsManifest": [{"paths": ["w.bin"], "weights": entries}],
            "signature": {"inputs": {"x": {"name": "x:0"}}, "outputs": {"y": {"name": result}}},
        }
        return read_graph(json.dumps(model).encode(), self.shards)


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def numbers(*values: int) -> dict[str, Any]:
    return {"list": {"i": [str(value) for value in values]}}


def picture() -> np.ndarray:
    return np.random.default_rng(2).normal(0, 1, SHAPE).astype(np.float32)


def run(graph: Graph) -> tuple[np.ndarray, list[str]]:
    model = to_onnx(graph, SHAPE)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (result,) = session.run(None, {"input": picture()})
    assert result.shape == tuple(session.get_outputs()[0].shape)
    return result, [node.op_type for node in model.graph.node]


def test_layer_normalisation_is_one_node() -> None:
    sketch, x = Sketch(), picture()
    scale, bias = np.arange(1, 5, dtype=np.float32), np.array([0, 1, 0, -1], np.float32)
    axes, recip = sketch.const([3], "int32"), sketch.const(0.25)
    shape = sketch.const([1, 6, 8, 1], "int32")
    mean = sketch.add("Mul", sketch.add("Sum", "x", axes), recip)
    square = sketch.add("Mul", sketch.add("Sum", sketch.add("Square", "x"), axes), recip)
    variance = sketch.add("Sub", square, sketch.add("Square", mean))
    centred = sketch.add("Sub", "x", sketch.add("Reshape", mean, shape))
    safe = sketch.add("AddV2", sketch.add("Reshape", variance, shape), sketch.const(1e-3))
    factor = sketch.add("Mul", sketch.add("Rsqrt", safe), sketch.const(scale))
    result = sketch.add("AddV2", sketch.add("Mul", centred, factor), sketch.const(bias))
    found, ops = run(sketch.graph(result))
    assert ops == ["LayerNormalization"]
    spread = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    expected = (x - x.mean(axis=-1, keepdims=True)) / spread * scale + bias
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_gelu_is_one_node() -> None:
    sketch, x = Sketch(), picture()
    cube = sketch.add(
        "Mul", sketch.add("Mul", sketch.const(0.044715), "x"), sketch.add("Square", "x")
    )
    inner = sketch.add("Mul", sketch.const(np.sqrt(2 / np.pi)), sketch.add("AddV2", "x", cube))
    wave = sketch.add("AddV2", sketch.const(1.0), sketch.add("Tanh", inner))
    result = sketch.add("Mul", sketch.add("Mul", sketch.const(0.5), "x"), wave)
    found, ops = run(sketch.graph(result))
    assert ops == ["Gelu"]
    expected = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_leaky_relu_is_one_node() -> None:
    sketch, x = Sketch(), picture()
    condition = sketch.add("GreaterEqual", "x", sketch.const(0.0))
    result = sketch.add("SelectV2", condition, "x", sketch.add("Mul", sketch.const(0.2), "x"))
    found, ops = run(sketch.graph(result))
    assert ops == ["LeakyRelu"]
    np.testing.assert_allclose(found, np.where(x >= 0, x, 0.2 * x), atol=1e-6)


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(3, 1, "SAME"), (4, 2, "SAME"), (2, 2, "VALID"), (1, 1, "VALID")],
)
def test_convolutions(size: int, stride: int, padding: str) -> None:
    sketch, x = Sketch(), picture()
    kernel = np.random.default_rng(3).normal(0, 1, (size, size, 4, 5)).astype(np.float32)
    result = sketch.add(
        "Conv2D",
        "x",
        sketch.const(kernel),
        strides=numbers(1, stride, stride, 1),
        padding=text(padding),
    )
    found, _ = run(sketch.graph(result))
    rows, columns = found.shape[1:3]
    missing = [max(0, (n - 1) * stride + size - m) for n, m in ((rows, 6), (columns, 8))]
    before = [n // 2 if padding == "SAME" else 0 for n in missing]
    padded = np.pad(x, ((0, 0), *((b, size) for b in before), (0, 0)))
    for i in range(rows):
        for j in range(columns):
            window = padded[0, i * stride : i * stride + size, j * stride : j * stride + size]
            expected = np.einsum("abc,abcd->d", window, kernel)
            np.testing.assert_allclose(found[0, i, j], expected, atol=1e-4)


def test_a_transposed_convolution() -> None:
    sketch, x = Sketch(), picture()
    kernel = np.random.default_rng(3).normal(0, 1, (2, 2, 3, 4)).astype(np.float32)
    sizes = sketch.const([1, 12, 16, 3], "int32")
    result = sketch.add(
        "Conv2DBackpropInput",
        sizes,
        sketch.const(kernel),
        "x",
        strides=numbers(1, 2, 2, 1),
        padding=text("VALID"),
    )
    found, _ = run(sketch.graph(result))
    expected = np.einsum("zhwc,abdc->zhawbd", x, kernel).reshape(1, 12, 16, 3)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("equation", "shape", "weights_first"),
    [
        ("abcg,gf->abcf", (4, 5), False),
        ("abgd,gf->abdf", (8, 5), False),
        ("gb,cgef->bcef", (6, 3), True),
    ],
)
def test_products(equation: str, shape: tuple[int, int], weights_first: bool) -> None:
    sketch, x = Sketch(), picture()
    weights = np.random.default_rng(3).normal(0, 1, shape).astype(np.float32)
    sources = [sketch.const(weights), "x"] if weights_first else ["x", sketch.const(weights)]
    found, _ = run(sketch.graph(sketch.add("Einsum", *sources, equation=text(equation))))
    values = [weights, x] if weights_first else [x, weights]
    np.testing.assert_allclose(found, np.einsum(equation, *values), atol=1e-4)


def test_shapes_are_worked_out_beforehand() -> None:
    sketch, x = Sketch(), picture()
    shape = sketch.add("Shape", "x")
    ends = [sketch.const([k], "int32") for k in (1, 3, 1)]
    sides = sketch.add("StridedSlice", shape, *ends)
    wanted = sketch.add("ConcatV2", sides, sketch.const([4, 1], "int32"), sketch.const(0, "int32"))
    turned = sketch.add(
        "Transpose", sketch.add("Reshape", "x", wanted), sketch.const([3, 1, 0, 2], "int32")
    )
    found, ops = run(sketch.graph(turned))
    assert set(ops) == {"Reshape", "Transpose"}
    np.testing.assert_array_equal(found, x.reshape(6, 8, 4, 1).transpose(3, 1, 0, 2))


def test_slices_and_gathers() -> None:
    sketch, x = Sketch(), picture()
    ends = [sketch.const(row, "int32") for row in ([0, 1, 0, 2], [1, 5, 8, 4], [1, 2, 1, 1])]
    part = sketch.add("StridedSlice", "x", *ends, end_mask={"i": "4"})
    index, axis = sketch.const([3, 0, 3], "int32"), sketch.const(2, "int32")
    found, _ = run(sketch.graph(sketch.add("GatherV2", part, index, axis)))
    np.testing.assert_array_equal(found, x[:, 1:5:2, :, 2:4][:, :, [3, 0, 3]])


def test_an_unknown_operation_is_named() -> None:
    sketch = Sketch()
    with pytest.raises(UnusableModel, match="Cumsum"):
        run(sketch.graph(sketch.add("Cumsum", "x", sketch.const(0, "int32"))))


def test_weights_that_do_not_fit_are_refused() -> None:
    sketch = Sketch()
    result = sketch.add("Mul", "x", sketch.const([1, 2, 3, 4]))
    with pytest.raises(UnusableModel, match="unknown form"):
        sketch.graph(result, quantization={"dtype": "uint8"})
    whole = sketch.shards
    sketch.shards = whole[:-4]
    with pytest.raises(UnusableModel, match="shorter"):
        sketch.graph(result)
    sketch.shards = whole + bytes(4)
    with pytest.raises(UnusableModel, match="20 bytes; 16 are declared"):
        sketch.graph(result)
