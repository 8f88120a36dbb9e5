"""Read TensorFlow.js graph models: a ``model.json``, and the weights that it describes."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableModel

_DTYPES: Final = {"float32": np.float32, "int32": np.int32, "bool": np.bool_}


@dataclass(frozen=True)
class Node:
    """One operation of a graph.

    Attributes:
        name: Unique in its graph.
        op: TensorFlow's name of the operation.
        inputs: Names of the nodes whose first output it takes.
        attributes: As in the file, see :meth:`text`, :meth:`flag` and :meth:`numbers`.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return a string attribute."""
        return base64.b64decode(self.attributes[name]["s"]).decode()

    def flag(self, name: str) -> bool:
        """Return a Boolean attribute; absent ones are False."""
        return bool(self.attributes.get(name, {}).get("b", False))

    def number(self, name: str) -> int:
        """Return a whole number; absent ones are 0."""
        return int(self.attributes.get(name, {}).get("i", 0))

    def numbers(self, name: str) -> list[int]:
        """Return a list of whole numbers; absent ones are empty."""
        return [int(n) for n in self.attributes.get(name, {}).get("list", {}).get("i", [])]


@dataclass(frozen=True)
class Graph:
    """A graph model.

    Attributes:
        nodes: The nodes by name.
        weights: The constants by the name of their node.
        inputs: Names of the placeholders.
        outputs: Names of the nodes that are results.
    """

    nodes: Mapping[str, Node]
    weights: Mapping[str, NDArray[Any]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def ordered(self) -> Iterator[Node]:
        """Yield the nodes that the outputs depend on, each after its inputs."""
        done: set[str] = set()
        waiting = [(name, False) for name in reversed(self.outputs)]
        while waiting:
            name, ready = waiting.pop()
            if ready:
                yield self.nodes[name]
            elif name not in done:
                done.add(name)
                waiting.append((name, True))
                waiting += [(source, False) for source in self.nodes[name].inputs]


def read_graph(model_json: bytes, shards: bytes) -> Graph:
    """Read a graph model.

    Args:
        model_json: The description.
        shards: The weight files, one after the other in the description's order.

    Raises:
        UnusableModel: The weights are quantised, of an unknown type, or not as long as declared.
    """
    model = json.loads(model_json)
    entries = [entry for group in model["weightsManifest"] for entry in group["weights"]]
    nodes = {entry["name"]: _node(entry) for entry in model["modelTopology"]["node"]}
    signature = model["signature"]
    return Graph(
        nodes=nodes,
        weights=_weights(entries, shards),
        inputs=tuple(_plain(each["name"]) for each in signature["inputs"].values()),
        outputs=tuple(_plain(each["name"]) for each in signature["outputs"].values()),
    )


def _weights(entries: list[dict[str, Any]], shards: bytes) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    at = 0
    for entry in entries:
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None or "quantization" in entry:
            raise UnusableModel(f"The weight {entry['name']!r} is stored in an unknown form.")
        count = int(np.prod(entry["shape"], dtype=np.int64))
        if at + count * np.dtype(dtype).itemsize > len(shards):
            raise UnusableModel("The weights are shorter than declared.")
        values = np.frombuffer(shards, dtype, count, at)
        found[entry["name"]] = values.reshape(entry["shape"])
        at += values.nbytes
    if at != len(shards):
        raise UnusableModel(f"The weights hold {len(shards)} bytes; {at} are declared.")
    return found


def _node(entry: dict[str, Any]) -> Node:
    sources = tuple(_plain(name) for name in entry.get("input", []) if not name.startswith("^"))
    return Node(entry["name"], entry["op"], sources, entry.get("attr", {}))


def _plain(name: str) -> str:
    return name.removesuffix(":0")
