"""Find the layers that TensorFlow's graph spells out, by the shape of their arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio_pipelines.models.tfjs_graph import Node
from studio_pipelines.models.tfjs_values import Symbol, Value

Nodes = Mapping[str, Node]
Values = Mapping[str, Value]


@dataclass(frozen=True)
class Layer:
    """A layer as one ONNX node."""

    op: str
    sources: list[Value]
    shape: tuple[int, ...]
    attributes: dict[str, Any]


def match_layer_norm(nodes: Nodes, values: Values, node: Node) -> Layer | None:
    """Recognise (x - mean) · (rsqrt(variance + ε) · scale) + bias over the last axis."""
    product, bias = _inputs(nodes, node, "AddV2")
    centred, factor = _inputs(nodes, product, "Mul")
    x, mean = _inputs(nodes, centred, "Sub")
    root, scale = _inputs(nodes, factor, "Mul")
    if x is None or mean is None or root is None or root.op != "Rsqrt":
        return None
    assert bias is not None
    assert scale is not None
    source, scales, biases = values[x.name], values[scale.name], values[bias.name]
    _, epsilon = _inputs(nodes, nodes[root.inputs[0]], "AddV2")
    if not isinstance(source, Symbol) or epsilon is None or mean.op != "Reshape":
        return None
    if isinstance(scales, Symbol) or isinstance(biases, Symbol):
        return None
    last = source.shape[-1:]
    attributes = {"axis": -1, "epsilon": _scalar(values[epsilon.name])}
    sources: list[Value] = [source, scales.reshape(last), biases.reshape(last)]
    return Layer("LayerNormalization", sources, source.shape, attributes)


def match_gelu(nodes: Nodes, values: Values, node: Node) -> Layer | None:
    """Recognise ½x · (1 + tanh(√(2/π) · (x + 0.044715 x³)))."""
    half, wave = _inputs(nodes, node, "Mul")
    _, x = _inputs(nodes, half, "Mul")
    one, tanh = _inputs(nodes, wave, "AddV2")
    if x is None or one is None or tanh is None or tanh.op != "Tanh":
        return None
    root, cubic = _inputs(nodes, nodes[tanh.inputs[0]], "Mul")
    start, _ = _inputs(nodes, cubic, "AddV2")
    source = values[x.name]
    if root is None or start is None or start.name != x.name or not isinstance(source, Symbol):
        return None
    if not np.isclose(_scalar(values[root.name]), np.sqrt(2 / np.pi)):
        return None
    return Layer("Gelu", [source], source.shape, {"approximate": "tanh"})


def match_leaky_relu(nodes: Nodes, values: Values, node: Node) -> Layer | None:
    """Recognise x where x ≥ 0, else slope · x."""
    if node.op != "SelectV2":
        return None
    condition, kept, other = (nodes[name] for name in node.inputs)
    tested, threshold = _inputs(nodes, condition, "GreaterEqual")
    slope, scaled = _inputs(nodes, other, "Mul")
    source = values[kept.name]
    if tested is None or threshold is None or slope is None or scaled is None:
        return None
    alike = tested.name == kept.name == scaled.name
    if not alike or not isinstance(source, Symbol) or _scalar(values[threshold.name]) != 0:
        return None
    return Layer("LeakyRelu", [source], source.shape, {"alpha": _scalar(values[slope.name])})


def _inputs(nodes: Nodes, node: Node | None, op: str) -> tuple[Node | None, Node | None]:
    """Return the two inputs of a node if it is of an operation, else nothing."""
    if node is None or node.op != op:
        return None, None
    return nodes[node.inputs[0]], nodes[node.inputs[1]]


def _scalar(value: Value) -> float:
    assert not isinstance(value, Symbol)
    return float(value.reshape(-1)[0])
