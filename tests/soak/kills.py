"""Killing one process of a busy studio, and measuring how long it takes to be itself again."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
from job_stream import OPERATION_OF_LANE, Order, StreamClient, Timeline
from running_studio import RunningStudio, eventually
from storage_checks import RunStorage

VICTIMS = ("child", "worker", "broker", "api", "daemon")
PROCESS_OF = {"broker": "broker", "api": "api", "daemon": "dagster-daemon"}
LANES = tuple(OPERATION_OF_LANE)
RECOVERED_WITHIN_S = 120.0


@dataclass(frozen=True)
class Kill:
    """One kill and what came of it.

    Attributes:
        victim: What was killed.
        in_hand: The runs that a killed worker had begun.
        restarted_s: From the kill until the op of such a run began again, or the run had ended;
            None where no run was hit.
        served_s: From the kill until a job that was sent after it had completed.
        monitored_s: From the kill of the daemon until it monitored runs again, else None.
    """

    victim: str
    in_hand: tuple[str, ...]
    restarted_s: float | None
    served_s: float
    monitored_s: float | None


def plan(seed: int, rounds: int) -> list[str]:
    """Whom to kill in each round: everyone as often as anyone else, in an order by chance."""
    chance = random.Random(seed)
    planned: list[str] = []
    while len(planned) < rounds:
        planned += chance.sample(VICTIMS, len(VICTIMS))
    return planned[:rounds]


class Killer:
    """Kills processes of a studio, with a client of its own to see when it serves again."""

    def __init__(
        self, studio: RunningStudio, orders: Sequence[Order], seed: int, timeline: Timeline
    ) -> None:
        self._studio = studio
        self._storage = RunStorage(studio)
        self._orders = orders
        self._random = random.Random(seed)
        self._timeline = timeline
        self.probe = StreamClient("probe", studio.stack.api_url, orders, "probe", timeline)

    def kill(self, victim: str) -> Kill:
        """Kill at a moment by chance, and wait until the studio is itself again."""
        time.sleep(self._random.uniform(0.2, 2.5))
        lane = self._random.choice(LANES)
        process = self._process(victim, lane)
        of_worker = victim in ("child", "worker")
        in_hand = self._storage.begun(OPERATION_OF_LANE[lane]) if of_worker else []
        killed_at_s = time.time()
        process.kill()
        self._timeline.note("KILL", f"{victim} {lane if of_worker else ''} {in_hand}")
        self._serve_one(lane)
        served_s = time.time() - killed_at_s
        monitored_s = None
        if victim == "daemon":
            monitored_s = self._until(lambda: self._storage.monitored_at_s() - killed_at_s)
        restarts = [self._until(self._restart_of(run_id, killed_at_s)) for run_id in in_hand]
        self._timeline.note("RECOVERED", f"served {served_s:.1f} s, restarted {restarts}")
        return Kill(victim, tuple(in_hand), max(restarts, default=None), served_s, monitored_s)

    def _process(self, victim: str, lane: str) -> psutil.Process:
        if victim in PROCESS_OF:
            return self._studio.process(PROCESS_OF[victim])
        worker = self._studio.process(f"worker-{lane}")
        return worker.children()[0] if victim == "child" else worker

    def _serve_one(self, lane: str) -> None:
        order = next(order for order in self._orders if order.lane == lane)
        eventually(
            lambda: self.probe.do(order, at_once=True, priority=9), timeout_s=RECOVERED_WITHIN_S
        )

    def _restart_of(self, run_id: str, killed_at_s: float) -> Callable[[], float | None]:
        def look() -> float | None:
            ended = self._storage.rows(
                "SELECT end_time FROM runs WHERE run_id = %s AND end_time IS NOT NULL", run_id
            )
            if not ended:
                return None
            # Events are stored in batches; once the run has ended, they all are.
            begun = self._storage.event_times_s(run_id, "STEP_START")
            moments = [at_s for at_s in begun if at_s > killed_at_s] or [float(ended[0][0])]
            return max(0.001, moments[0] - killed_at_s)

        return look

    def _until(self, look: Callable[[], float | None]) -> float:
        found = eventually(
            lambda: value if (value := look()) is not None and value > 0 else None,
            timeout_s=RECOVERED_WITHIN_S,
        )
        assert found is not None
        return found


def recovery_figures(kills: Sequence[Kill]) -> dict[str, Any]:
    """Median and longest time to recover, in seconds, by kind of kill."""
    return {victim: _figures_of([k for k in kills if k.victim == victim]) for victim in VICTIMS}


def _figures_of(kills: Sequence[Kill]) -> dict[str, Any]:
    figures: dict[str, Any] = {"kills": len(kills), "runs_hit": sum(len(k.in_hand) for k in kills)}
    for name in ("restarted_s", "served_s", "monitored_s"):
        times = [value for kill in kills if (value := getattr(kill, name)) is not None]
        if times:
            median_s, max_s = statistics.median(times), max(times)
            figures[name] = {"median": round(median_s, 1), "max": round(max_s, 1)}
    return figures
