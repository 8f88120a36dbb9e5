"""A worker's heartbeat: once a second its parent process tells Redis how its child does."""

import threading

import psutil
import redis
import structlog

from resources import run_ownership, signals
from resources.devices import MIB, chosen_device, process_vram_mib, read_gpus
from studio_pipelines.worker_name import WorkerName
from studio_pipelines.worker_state import InHand

BEAT_INTERVAL_S = 1.0
log = structlog.get_logger(__name__)


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
        in_hand = InHand.read(client, self._worker)
        child = _live_child(in_hand.pid)
        self._answer_for(client, in_hand, alive=child is not None)
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
                run_id=(in_hand.run_id or None) if child else None,
                operation=(in_hand.operation or None) if child else None,
                step=(in_hand.step or None) if child else None,
                taken_at_s=(in_hand.taken_at_s or None) if child else None,
                device=chosen_device(),
                vram_used_mib=vram_mib,
                vram_peak_mib=self._peak_mib,
                vram_total_mib=gpus[0]["totalMiB"] if gpus else None,
                gpus=gpus,
            ),
        )

    def _answer_for(self, client: redis.Redis, in_hand: InHand, *, alive: bool) -> None:
        """Keep the claim of the child's run while the child lives, however busy; else give it up.

        A child in a long native call may not get to it, and one that was killed is known here at
        once, not when its claim lapses.
        """
        if not in_hand.run_id:
            return
        owner = self._worker.owner(in_hand.pid)
        if alive:
            run_ownership.renew(client, in_hand.run_id, owner)
        else:
            run_ownership.release(client, in_hand.run_id, owner)


def _live_child(pid: int) -> psutil.Process | None:
    children = {child.pid: child for child in psutil.Process().children()}
    return children.get(pid)


def _state(child: psutil.Process | None, in_hand: InHand) -> str:
    if child is None:
        return "starting"
    return "busy" if in_hand.run_id else "ready"


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
