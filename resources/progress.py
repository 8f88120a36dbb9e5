"""How an op tells how far it is; also the place where a cancelled op stops."""

import json
import time

import dagster as dg
import redis
import structlog
from pydantic import PrivateAttr

from resources import signals

MIN_INTERVAL_S = 0.2
log = structlog.get_logger(__name__)


class Progress(dg.ConfigurableResource):
    """Publishes the progress of the run in hand, at most five times a second."""

    redis_url: str
    _run_id: str = PrivateAttr(default="")
    _told_at_s: float = PrivateAttr(default=float("-inf"))
    _stage: str = PrivateAttr(default="")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember whose progress this is."""
        self._run_id = context.run.run_id if context.run else ""

    def report(self, fraction: float, stage: str) -> None:
        """Tell that ``fraction`` (0 to 1) of the op is done and which stage it is in.

        Calls are cheap; they are dropped while the last one is fresh, unless the stage changed.
        """
        now_s = time.monotonic()
        if stage == self._stage and now_s - self._told_at_s < MIN_INTERVAL_S:
            return
        self._told_at_s, self._stage = now_s, stage
        told = {"fraction": round(min(1.0, max(0.0, fraction)), 4), "stage": stage}
        key = signals.progress_key(self._run_id)
        try:
            signals.connect(self.redis_url).set(key, json.dumps(told), ex=signals.PROGRESS_TTL_S)
        except redis.RedisError as error:
            # Progress is a courtesy: the work goes on without it.
            log.warning("progress not told", error=str(error))
