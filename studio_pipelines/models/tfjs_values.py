"""What is known of a graph's node while the graph is turned into another form."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Symbol:
    """A value that depends on the picture: a name in the new graph, and a shape."""

    name: str
    shape: tuple[int, ...]


Value = NDArray[Any] | Symbol
