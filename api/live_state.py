"""What Redis knows of a run that has not ended: its progress, and its place in line."""

import json
import time

import redis
from dagster import DagsterRun, DagsterRunStatus

from api.job_records import LiveState
from resources import run_ownership, signals, waiting_line
from resources.launcher import line_of


def read_live_state(client: redis.Redis, run: DagsterRun) -> LiveState:
    """Return how far a run is, or where it stands in line.

    Raises:
        redis.RedisError: The broker does not answer.
    """
    holder = run_ownership.holder(client, run.run_id)
    taken = holder not in (None, run_ownership.QUEUED)
    told = client.get(signals.progress_key(run.run_id))
    place = None
    if run.status is not DagsterRunStatus.STARTED and not taken:
        lane, operation = line_of(run)
        in_hand = lane_work(signals.worker_beats(client), lane)
        place = waiting_line.place_of(client, lane, operation, run.run_id, in_hand)
    return LiveState(json.loads(str(told)) if told else None, taken, place)


def lane_work(beats: list[signals.WorkerBeat], lane: str) -> list[tuple[str, float] | None]:
    """Return what each worker of a lane does: operation and seconds since it took it, or None."""
    return [
        (beat.operation or "", time.time() - (beat.taken_at_s or beat.beat_at_s))
        if beat.run_id
        else None
        for beat in beats
        if beat.lane == lane
    ]
