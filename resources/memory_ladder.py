"""What is tried, one after the other, when a device's memory does not suffice."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from resources import memory_meter
from resources.devices import CPU
from resources.model_cache import Precision
from studio_pipelines.errors import StudioError

Relief = Literal["nothing", "evict", "move"]

# torch, its CPU allocator, cuBLAS, cuDNN, ONNX Runtime, OpenCV and libvips, in lower case.
_SAID = (
    "out of memory",
    "can't allocate memory",
    "failed to allocate memory",
    "alloc_failed",
    "bfcarena::allocaterawinternal",
    "insufficient memory",
)


class OutOfMemory(StudioError):
    """The job needs more memory than the device has, whatever was tried."""

    status = 507
    code = "out_of_memory"
    advice = (
        "Idle models were evicted, and smaller tiles, half precision and the CPU tried, as far "
        "as the operation can; the message names what was. Send a smaller input, or try again "
        "when less is running."
    )


@dataclass(frozen=True)
class Rung:
    """How a piece of work is to be done.

    Attributes:
        tile: Size of the pieces to work in, in the op's own unit; None is the whole at once.
        precision: ``full``, or ``half`` for half the memory.
        device: ``cpu``, or a CUDA device.
    """

    tile: int | None
    precision: Precision
    device: str


@dataclass(frozen=True)
class Step:
    """One try.

    Attributes:
        name: What is different from the try before, as the log and the answer name it.
        rung: How the work is done.
        relief: What is done before it: nothing, evicting idle models, or moving to the CPU.
    """

    name: str
    rung: Rung
    relief: Relief = "nothing"


def ladder(device: str, tiles: Sequence[int | None] = (None,), *, half: bool = False) -> list[Step]:
    """Return the tries in order: evict, smaller tiles, half precision, the CPU.

    Args:
        device: Where the work is begun.
        tiles: Sizes of the pieces, the largest first.
        half: Whether the work can be done in half precision; not tried on a CPU, which computes
            slower in it.
    """
    first, *smaller = tiles
    whole, smallest = Rung(first, "full", device), tiles[-1]
    steps = [Step("first try", whole), Step("idle models evicted", whole, "evict")]
    steps += [Step(f"tiles of {tile}", Rung(tile, "full", device)) for tile in smaller]
    if device != CPU:
        if half:
            steps.append(Step("half precision", Rung(smallest, "half", device), "evict"))
        steps.append(Step("CPU", Rung(smallest, "full", CPU), "move"))
    return steps


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory did not suffice, whichever library raised it."""
    if isinstance(error, MemoryError):
        return True
    if any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    return isinstance(error, Exception) and any(words in str(error).lower() for words in _SAID)


class Attempt:
    """A context that holds up an out-of-memory error, and lets go of all that it refers to.

    Attributes:
        failure: What the error said, or None while there was none.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self.failure: str | None = None

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        if error is None or not is_out_of_memory(error):
            return False
        self.failure = f"{type(error).__name__}: {error}"
        # The frames of the failed work hold its arrays; the next try needs the room.
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        memory_meter.return_unused(self._device)
        return True
