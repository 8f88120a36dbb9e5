"""Turn a TensorFlow.js graph into ONNX, once, for one size of input.

With the size fixed all arithmetic on shapes is done here, and so is what depends on weights alone;
only what depends on the picture is left. Layer normalisation, GELU and leaky ReLU, which the graph
spells out in up to twenty operations each, become one node again.
"""

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from studio_pipelines.models.tfjs_constants import known_result
from studio_pipelines.models.tfjs_graph import Graph, Node
from studio_pipelines.models.tfjs_patterns import match_gelu, match_layer_norm, match_leaky_relu
from studio_pipelines.models.tfjs_rules import translate
from studio_pipelines.models.tfjs_values import Symbol, Value

_OPSET: Final = 20  # the first with Gelu
_IR_VERSION: Final = 9
_FLOAT: Final = onnx.TensorProto.FLOAT


class Emitter:
    """Collects ONNX nodes and constants.

    Attributes:
        values: What is known of each of the graph's nodes: its value, or a symbol.
    """

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def emit(
        self, op: str, sources: list[Value], shape: tuple[int, ...], **attributes: Any
    ) -> Symbol:
        """Add an ONNX node; return its result, whose shape the caller knows."""
        inputs = [self._name(source) for source in sources]
        result = Symbol(f"v{len(self._nodes)}", shape)
        self._nodes.append(helper.make_node(op, inputs, [result.name], **attributes))
        return result

    def model(self, source: Symbol, result: Symbol) -> onnx.ModelProto:
        """Return a checked model of what has been emitted and is needed for a result."""
        needed = {result.name}
        kept: list[onnx.NodeProto] = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        graph = helper.make_graph(
            kept[::-1],
            "graph",
            [helper.make_tensor_value_info(source.name, _FLOAT, source.shape)],
            [helper.make_tensor_value_info(result.name, _FLOAT, result.shape)],
            [constant for constant in self._constants if constant.name in needed],
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return model

    def _name(self, value: Value) -> str:
        if isinstance(value, Symbol):
            return value.name
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def to_onnx(graph: Graph, shape: tuple[int, ...]) -> onnx.ModelProto:
    """Return a graph with one input and one output as an ONNX model.

    Args:
        graph: The graph.
        shape: The shape that its input will have, float32.

    Raises:
        UnusableModel: The graph holds an operation that is not understood.
    """
    emitter = Emitter()
    source = Symbol("input", shape)
    emitter.values[graph.inputs[0]] = source
    for node in graph.ordered():
        if node.name not in emitter.values:
            emitter.values[node.name] = _value(emitter, graph, node)
    result = emitter.values[graph.outputs[0]]
    assert isinstance(result, Symbol)
    return emitter.model(source, result)


def _value(emitter: Emitter, graph: Graph, node: Node) -> Value:
    if node.op == "Const":
        return graph.weights[node.name]
    sources = [emitter.values[name] for name in node.inputs]
    if node.op == "Shape":
        return np.array(sources[0].shape, np.int32)
    known: list[NDArray[Any]] = [value for value in sources if not isinstance(value, Symbol)]
    if len(known) == len(sources):
        return known_result(node, known)
    for match in (match_layer_norm, match_gelu, match_leaky_relu):
        if found := match(graph.nodes, emitter.values, node):
            return emitter.emit(found.op, found.sources, found.shape, **found.attributes)
    return translate(emitter, node, sources)
