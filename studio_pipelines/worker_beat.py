"""A worker's heartbeat: once a second its parent process tells Redis how its child does."""

import threading
from dataclasses import dataclass

import psutil
import redis
import structlog

from resources import signals
from resources.devices import MIB, chosen_device, process_vram_mib, read_gpus

BEAT_INTERVAL_S = 1.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WorkerName:
    """Who a worker is: ``lane@host``."""

    lane: str
    host: str

    def __str__(self) -> str:
        return f"{self.lane}@{self.host}"

    @property
    def in_hand_key(self) -> str:
        """Name the hash in which the child keeps its state: pid, run id and operation."""
        return f"studio:worker:{self}:in-hand"


class BeatThread(threading.Thread):
    """Publishes a :class:`~resources.signals.WorkerBeat` each second; outlives any outage."""

    def __init__(self, redis_url: str, name: WorkerName) -> None:
        super().__init__(name="worker-beat", daemon=True)
        self._redis_url = redis_url
        self._worker = name
        self._stopped = threading.Event()
        self._peak_mib: float | None = None

    def stop(self) -> None:
        """End the thread and wait for its last beat."""
        self._stopped.set()
        self.join(timeout=5)

    def run(self) -> None:
        """Beat until stopped; a broker that is away is tried again at the next beat."""
        client = signals.connect(self._redis_url)
        while not self._stopped.is_set():
            try:
                self._beat(client)
            except redis.RedisError as error:
                log.warning("heartbeat not delivered", error=str(error))
            self._stopped.wait(BEAT_INTERVAL_S)

    def _beat(self, client: redis.Redis) -> None:
        seconds, microseconds = client.time()  # pyright: ignore[reportGeneralTypeIssues]
        in_hand: dict[str, str] = client.hgetall(self._worker.in_hand_key)  # pyright: ignore[reportAssignmentType]
        child = _live_child(int(in_hand.get("pid", 0)))
        vram_mib = process_vram_mib(child.pid) if child else None
        if vram_mib is not None:
            self._peak_mib = max(self._peak_mib or 0.0, vram_mib)
        gpus = read_gpus()
        signals.publish_beat(
            client,
            signals.WorkerBeat(
                name=str(self._worker),
                lane=self._worker.lane,
                state=_state(child, in_hand),
                pid=child.pid if child else psutil.Process().pid,
                host=self._worker.host,
                beat_at_s=seconds + microseconds / 1e6,
                rss_mib=round(_family_rss_mib(child), 1),
                run_id=(in_hand.get("run_id") or None) if child else None,
                operation=(in_hand.get("operation") or None) if child else None,
                device=chosen_device(),
                vram_used_mib=vram_mib,
                vram_peak_mib=self._peak_mib,
                vram_total_mib=gpus[0]["totalMiB"] if gpus else None,
                gpus=gpus,
            ),
        )


def _live_child(pid: int) -> psutil.Process | None:
    children = {child.pid: child for child in psutil.Process().children()}
    return children.get(pid)


def _state(child: psutil.Process | None, in_hand: dict[str, str]) -> str:
    if child is None:
        return "starting"
    return "busy" if in_hand.get("run_id") else "ready"


def _family_rss_mib(child: psutil.Process | None) -> float:
    if child is None:
        return psutil.Process().memory_info().rss / MIB
    total = 0
    for process in (child, *child.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # a helper that has just ended
            continue
    return total / MIB
