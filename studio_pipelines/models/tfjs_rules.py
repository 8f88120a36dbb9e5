"""TensorFlow's operations on pictures as ONNX nodes; pictures stay in TensorFlow's NHWC order."""

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableModel
from studio_pipelines.models.tfjs_graph import Node
from studio_pipelines.models.tfjs_values import Symbol, Value


class Emits(Protocol):
    """What collects ONNX nodes."""

    def emit(
        self, op: str, sources: list[Value], shape: tuple[int, ...], **attributes: Any
    ) -> Symbol:
        """Add a node; return its result."""
        ...


_ELEMENTWISE: Final = {
    "Abs": "Abs",
    "Add": "Add",
    "AddV2": "Add",
    "Exp": "Exp",
    "GreaterEqual": "GreaterOrEqual",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mul": "Mul",
    "Neg": "Neg",
    "RealDiv": "Div",
    "Reciprocal": "Reciprocal",
    "SelectV2": "Where",
    "Sub": "Sub",
    "Tanh": "Tanh",
}
_TO_NCHW, _TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


def translate(into: Emits, node: Node, sources: list[Value]) -> Symbol:
    """Emit what a node does to its inputs, at least one of which is a symbol.

    Raises:
        UnusableModel: The operation, or the way that it is used, is not understood.
    """
    if node.op in _ELEMENTWISE:
        shape = np.broadcast_shapes(*(source.shape for source in sources))
        return into.emit(_ELEMENTWISE[node.op], sources, shape)
    rule = _RULES.get(node.op)
    if rule is None:
        raise UnusableModel(f"The graph has the operation {node.op}, which is not understood.")
    return rule(into, node, sources)


def _symbol(value: Value) -> Symbol:
    if not isinstance(value, Symbol):
        raise UnusableModel("The graph computes a weight from the picture.")
    return value


def _known(value: Value) -> NDArray[Any]:
    if isinstance(value, Symbol):
        raise UnusableModel("The graph computes a shape from the picture's values.")
    return value


def _ints(value: Value) -> list[int]:
    return [int(number) for number in _known(value).ravel()]


def _identity(_into: Emits, _node: Node, sources: list[Value]) -> Symbol:
    return _symbol(sources[0])


def _square(into: Emits, _node: Node, sources: list[Value]) -> Symbol:
    x = _symbol(sources[0])
    return into.emit("Mul", [x, x], x.shape)


def _rsqrt(into: Emits, _node: Node, sources: list[Value]) -> Symbol:
    x = _symbol(sources[0])
    return into.emit("Reciprocal", [into.emit("Sqrt", [x], x.shape)], x.shape)


def _reshaped(into: Emits, x: Symbol, shape: tuple[int, ...]) -> Symbol:
    return x if shape == x.shape else into.emit("Reshape", [x, np.array(shape, np.int64)], shape)


def _reshape(into: Emits, _node: Node, sources: list[Value]) -> Symbol:
    x, shape = _symbol(sources[0]), _ints(sources[1])
    if -1 in shape:
        rest = -int(np.prod(shape))
        shape[shape.index(-1)] = int(np.prod(x.shape)) // rest
    return _reshaped(into, x, tuple(shape))


def _transposed(into: Emits, x: Symbol, order: list[int]) -> Symbol:
    return into.emit("Transpose", [x], tuple(x.shape[k] for k in order), perm=order)


def _transpose(into: Emits, _node: Node, sources: list[Value]) -> Symbol:
    return _transposed(into, _symbol(sources[0]), _ints(sources[1]))


def _broadcast(into: Emits, _node: Node, sources: list[Value]) -> Symbol:
    shape = tuple(_ints(sources[1]))
    return into.emit("Expand", [_symbol(sources[0]), np.array(shape, np.int64)], shape)


def _sum(into: Emits, node: Node, sources: list[Value]) -> Symbol:
    x, keeps = _symbol(sources[0]), node.flag("keep_dims")
    axes = [axis % len(x.shape) for axis in _ints(sources[1])]
    kept = [1 if k in axes else n for k, n in enumerate(x.shape) if keeps or k not in axes]
    wanted = np.array(axes, np.int64)
    return into.emit("ReduceSum", [x, wanted], tuple(kept), keepdims=int(keeps))


def _concat(into: Emits, _node: Node, sources: list[Value]) -> Symbol:
    axis = _ints(sources[-1])[0] % len(sources[0].shape)
    shape = list(sources[0].shape)
    shape[axis] = sum(source.shape[axis] for source in sources[:-1])
    return into.emit("Concat", sources[:-1], tuple(shape), axis=axis)


def _gather(into: Emits, _node: Node, sources: list[Value]) -> Symbol:
    x, index, axis = _symbol(sources[0]), _known(sources[1]), _ints(sources[2])[0]
    shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
    return into.emit("Gather", [x, index.astype(np.int64)], shape, axis=axis)


def _strided_slice(into: Emits, node: Node, sources: list[Value]) -> Symbol:
    x = _symbol(sources[0])
    masks = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    if any(node.number(mask) for mask in masks):
        raise UnusableModel("The graph slices in a way that is not understood.")
    begin, end, strides = (_ints(source) for source in sources[1:])
    first, last = node.number("begin_mask"), node.number("end_mask")
    begin = [0 if first >> k & 1 else at for k, at in enumerate(begin)]
    end = [x.shape[k] if last >> k & 1 else at for k, at in enumerate(end)]
    parts = zip(begin, end, strides, strict=True)
    counts = [len(range(n)[slice(*part)]) for n, part in zip(x.shape, parts, strict=False)]
    ends = [np.array(row, np.int64) for row in (begin, end, list(range(len(begin))), strides)]
    return into.emit("Slice", [x, *ends], (*counts, *x.shape[len(counts) :]))


def _conv(into: Emits, node: Node, sources: list[Value]) -> Symbol:
    x, kernel = _symbol(sources[0]), _known(sources[1])
    (_, sy, sx, _), same = node.numbers("strides"), node.text("padding") == "SAME"
    if kernel.shape[:2] == (1, 1) and (sy, sx) == (1, 1):  # a matrix, without leaving NHWC
        return into.emit("MatMul", [x, kernel[0, 0]], (*x.shape[:-1], kernel.shape[3]))
    _, height, width, _ = x.shape
    out = [
        _out_length(n, k, s, same)
        for n, k, s in ((height, kernel.shape[0], sy), (width, kernel.shape[1], sx))
    ]
    pads = [
        max(0, (o - 1) * s + k - n) if same else 0
        for o, s, k, n in (
            (out[0], sy, kernel.shape[0], height),
            (out[1], sx, kernel.shape[1], width),
        )
    ]
    padding = [pads[0] // 2, pads[1] // 2, pads[0] - pads[0] // 2, pads[1] - pads[1] // 2]
    shape = (x.shape[0], kernel.shape[3], *out)
    weights = kernel.transpose(3, 2, 0, 1)
    inner = _transposed(into, x, _TO_NCHW)
    y = into.emit("Conv", [inner, weights], shape, strides=[sy, sx], pads=padding)
    return _transposed(into, y, _TO_NHWC)


def _out_length(length: int, kernel: int, stride: int, same: bool) -> int:
    return -(-length // stride) if same else (length - kernel) // stride + 1


def _conv_transpose(into: Emits, node: Node, sources: list[Value]) -> Symbol:
    size, kernel, x = _ints(sources[0]), _known(sources[1]), _symbol(sources[2])
    strides = node.numbers("strides")[1:3]
    if strides != list(kernel.shape[:2]):
        raise UnusableModel("The graph has a transposed convolution that overlaps itself.")
    inner = _transposed(into, x, _TO_NCHW)
    shape = (size[0], size[3], size[1], size[2])
    weights = kernel.transpose(3, 2, 0, 1)
    y = into.emit("ConvTranspose", [inner, weights], shape, strides=strides)
    return _transposed(into, y, _TO_NHWC)


def _einsum(into: Emits, node: Node, sources: list[Value]) -> Symbol:
    equation = node.text("equation")
    a, b = sources
    if equation == "abcg,gf->abcf":
        return into.emit("MatMul", [a, b], (*a.shape[:-1], b.shape[1]))
    if equation == "abgd,gf->abdf":
        # With the weights first, the two transpositions around it meet others and vanish.
        batch, depth = a.shape[:2], a.shape[3]
        mixed = into.emit("MatMul", [_known(b).T, _symbol(a)], (*batch, b.shape[1], depth))
        return _transposed(into, mixed, [0, 1, 3, 2])
    if equation == "gb,cgef->bcef":
        c, g, e, f = b.shape
        flat = _reshaped(into, _symbol(b), (c, g, e * f))
        rows = into.emit("MatMul", [_known(a).T, flat], (c, a.shape[1], e * f))
        return _transposed(into, _reshaped(into, rows, (c, a.shape[1], e, f)), [1, 0, 2, 3])
    raise UnusableModel(f"The graph has the product {equation}, which is not understood.")


_RULES: Final[dict[str, Callable[[Emits, Node, list[Value]], Symbol]]] = {
    "BroadcastTo": _broadcast,
    "ConcatV2": _concat,
    "Conv2D": _conv,
    "Conv2DBackpropInput": _conv_transpose,
    "Einsum": _einsum,
    "GatherV2": _gather,
    "Identity": _identity,
    "Reshape": _reshape,
    "Rsqrt": _rsqrt,
    "Square": _square,
    "StridedSlice": _strided_slice,
    "Sum": _sum,
    "Transpose": _transpose,
}
