"""The workers as their heartbeats tell: who lives, what they hold, what waits for them."""

import asyncio
import time

from api.errors import WorkersAway
from api.live_state import lane_work
from resources import memory_readings, signals, waiting_line
from studio_pipelines.chain import LinkedChain
from studio_pipelines.operation import Operation

WORKER_FRESH_S = 10.0


class Workforce:
    """Reads what the workers say of themselves in Redis.

    Every method raises BrokerUnavailable where Redis does not answer.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url

    async def require(self, operation: Operation | LinkedChain) -> None:
        """Make sure, before anything is made, that the broker and a worker are there.

        Raises:
            WorkersAway: No worker of the operation's lane has given a sign of life of late.
        """
        beats = await asyncio.to_thread(self.beats)
        if not any(beat.lane == operation.lane for beat in beats):
            raise WorkersAway(
                f"No worker for {operation.worker} is running.",
                hint=f"Start one with `studio worker --lane {operation.lane}`, or try again soon.",
            )

    def beats(self) -> list[signals.WorkerBeat]:
        """Return the beats of the workers that are alive."""
        with signals.broker_faults():
            client = signals.connect(self._redis_url)
            now_s: int = client.time()[0]  # pyright: ignore[reportIndexIssue]
            beats = signals.worker_beats(client)
        return [beat for beat in beats if now_s - beat.beat_at_s < WORKER_FRESH_S]

    def memory_tenants(self) -> list[memory_readings.TenantReading]:
        """Return what the processes of the workers hold of their devices."""
        with signals.broker_faults():
            return memory_readings.read_tenants(signals.connect(self._redis_url))

    def queue_depths(self, queues: list[str]) -> dict[str, int]:
        """Count the waiting tasks of each queue."""
        with signals.broker_faults():
            client = signals.connect(self._redis_url)
            return {queue: signals.queue_depth(client, queue) for queue in queues}

    def place(self, operation: Operation | LinkedChain, priority: int) -> waiting_line.Place:
        """Return where a job would stand in line that were submitted now."""
        in_hand = lane_work(self.beats(), operation.lane)
        with signals.broker_faults():
            return waiting_line.place_of_next(
                signals.connect(self._redis_url),
                operation.lane,
                in_hand,
                priority=priority,
                at_s=time.time(),
            )
