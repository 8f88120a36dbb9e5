"""Which worker process serves what.

A lane is one process at a time on a machine: its operations take turns, and share the imports and
the models that stay warm in it. Each operation has its own queue, so that depth and order are known
for each; so has each chain, whose runs go to the lane of its first operation.
"""

from dataclasses import dataclass

from resources.run_tags import COMMON_QUEUE
from studio_pipelines.catalogue import chains, operations


@dataclass(frozen=True)
class Lane:
    """A kind of worker process.

    Attributes:
        name: ``image``, ``audio``, ``video``, ``training``, as operations name it.
        queues: The queues that it takes from: one an operation, by its name, one a chain, and the
            common one.
    """

    name: str
    queues: tuple[str, ...]


def lanes() -> tuple[Lane, ...]:
    """Return the lanes that have at least one built operation."""
    built = operations().values()
    names = sorted({operation.lane for operation in built})
    return tuple(Lane(name, (*_queues_of(name), COMMON_QUEUE)) for name in names)


def _queues_of(lane: str) -> list[str]:
    return [
        *sorted(one.name for one in operations().values() if one.lane == lane),
        *sorted(chain.queue for chain in chains().values() if chain.lane == lane),
    ]


def lane_named(name: str) -> Lane:
    """Return a lane.

    Raises:
        ValueError: No operation uses it.
    """
    for lane in lanes():
        if lane.name == name:
            return lane
    raise ValueError(f"there is no lane {name!r}; there are {[lane.name for lane in lanes()]}")
