"""What a worker's child tells its parent, through Redis: the run that it has in hand."""

import os
from dataclasses import asdict, dataclass
from typing import Any, cast

import redis
import structlog

from studio_pipelines.worker_name import WorkerName

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class InHand:
    """What a worker's child does.

    Attributes:
        run_id: The run in hand, or nothing.
        operation: Its operation, or nothing.
        taken_at_s: Unix time at which it was taken, 0 without one.
        pid: The child, 0 before there is one.
        step: The operation that a chain has come to, or nothing.
    """

    run_id: str = ""
    operation: str = ""
    taken_at_s: float = 0.0
    pid: int = 0
    step: str = ""

    def tell(self, client: redis.Redis, worker: WorkerName) -> None:
        """Publish it as this process's state; a broker that is away misses it."""
        state: dict[Any, Any] = {**asdict(self), "pid": os.getpid()}
        try:
            client.hset(worker.in_hand_key, mapping=state)
        except redis.RedisError as error:
            log.warning("state not told", error=str(error))

    @staticmethod
    def read(client: redis.Redis, worker: WorkerName) -> "InHand":
        """Return what a worker's child told last."""
        told = cast(dict[str, str], client.hgetall(worker.in_hand_key))
        if not told:
            return InHand()
        return InHand(
            told["run_id"],
            told["operation"],
            float(told["taken_at_s"]),
            int(told["pid"]),
            told.get("step", ""),
        )
