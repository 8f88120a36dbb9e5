"""Blocks of any length, taken in lengths that the taker needs."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]


class Feed:
    """Reads from an iterator of blocks, whose first axis is time.

    Args:
        blocks: Arrays that agree in all other axes.
    """

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._waiting: Block | None = None

    def take(self, frames: int) -> Block | None:
        """Give the next frames; fewer where the blocks end, and None after that."""
        parts = [] if self._waiting is None else [self._waiting]
        held = sum(map(len, parts))
        while held < frames and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            held += len(block)
        if not held:
            return None
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._waiting = joined[frames:]
        return joined[:frames]
