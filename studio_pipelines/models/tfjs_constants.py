"""The arithmetic of TensorFlow's operations on values that are known: shapes, indices, weights."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableModel
from studio_pipelines.models.tfjs_graph import Node

_Array = NDArray[Any]
_TYPES: Final = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_BOOL": np.bool_}
_ELEMENTWISE: Final[dict[str, Callable[..., Any]]] = {
    "Abs": np.abs,
    "Add": np.add,
    "AddV2": np.add,
    "Exp": np.exp,
    "Floor": np.floor,
    "FloorDiv": np.floor_divide,
    "FloorMod": np.mod,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Identity": np.asarray,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "LogicalAnd": np.logical_and,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "NotEqual": np.not_equal,
    "RealDiv": np.divide,
    "SelectV2": np.where,
    "Sign": np.sign,
    "Square": np.square,
    "Sub": np.subtract,
    "Tanh": np.tanh,
}


def known_result(node: Node, values: list[_Array]) -> _Array:
    """Return what a node makes of known inputs, in the inputs' type.

    Raises:
        UnusableModel: The operation is not among those that are understood.
    """
    if node.op in _ELEMENTWISE:
        return np.asarray(_ELEMENTWISE[node.op](*values))
    make = _OTHERS.get(node.op)
    if make is None:
        raise UnusableModel(f"The graph has the operation {node.op}, which is not understood.")
    return np.asarray(make(node, *values))


def slices(
    node: Node, begin: _Array, end: _Array, strides: _Array
) -> tuple[slice | int | None, ...]:
    """Return what a StridedSlice picks, as NumPy's index."""
    if node.number("ellipsis_mask") or node.number("new_axis_mask"):
        raise UnusableModel("The graph slices in a way that is not understood.")
    picked: list[slice | int | None] = []
    for k in range(len(begin)):
        if node.number("shrink_axis_mask") >> k & 1:
            picked.append(int(begin[k]))
            continue
        first = None if node.number("begin_mask") >> k & 1 else int(begin[k])
        last = None if node.number("end_mask") >> k & 1 else int(end[k])
        picked.append(slice(first, last, int(strides[k])))
    return tuple(picked)


def _sum(node: Node, x: _Array, axes: _Array) -> _Array:
    kept = node.flag("keep_dims")
    return np.sum(x, axis=tuple(axes.ravel().tolist()), keepdims=kept, dtype=x.dtype)


def _squeeze(node: Node, x: _Array) -> _Array:
    return np.squeeze(x, axis=tuple(node.numbers("squeeze_dims")) or None)


_OTHERS: Final[dict[str, Callable[..., Any]]] = {
    "BroadcastTo": lambda _node, x, shape: np.broadcast_to(x, shape.tolist()),
    "Cast": lambda node, x: x.astype(_TYPES[node.attributes["DstT"]["type"]]),
    "ConcatV2": lambda _node, *xs: np.concatenate(xs[:-1], axis=int(xs[-1])),
    "ExpandDims": lambda _node, x, axis: np.expand_dims(x, int(axis)),
    "GatherV2": lambda _node, x, index, axis: np.take(x, index, axis=int(axis)),
    "Pack": lambda node, *xs: np.stack(xs, axis=node.number("axis")),
    "Range": lambda _node, a, b, step: np.arange(a, b, step, dtype=a.dtype),
    "Reciprocal": lambda _node, x: (1 / x).astype(x.dtype),
    "Reshape": lambda _node, x, shape: x.reshape(shape.tolist()),
    "Rsqrt": lambda _node, x: (1 / np.sqrt(x)).astype(x.dtype),
    "Squeeze": _squeeze,
    "StridedSlice": lambda node, x, *ends: x[slices(node, *ends)],
    "Sum": _sum,
    "Transpose": lambda _node, x, order: np.transpose(x, order.tolist()),
}
