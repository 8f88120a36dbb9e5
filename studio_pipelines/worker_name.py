"""What a worker is called, on its machine and among all."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerName:
    """Who a worker is: ``lane@host``, or ``lane-2@host`` for a lane's second worker."""

    lane: str
    host: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.process}@{self.host}"

    @property
    def process(self) -> str:
        """Name among the workers of this machine: ``image``, ``image-2``."""
        return self.lane if self.number == 1 else f"{self.lane}-{self.number}"

    @property
    def in_hand_key(self) -> str:
        """Name the hash in which the child keeps its state."""
        return f"studio:worker:{self}:in-hand"

    def owner(self, pid: int) -> str:
        """Name one process of this worker as the owner of a run."""
        return f"{self}:{pid}"
