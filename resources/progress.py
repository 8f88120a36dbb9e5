"""How an op tells how far it is; also the place where a cancelled op stops."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import redis
import structlog
from pydantic import PrivateAttr

from resources import run_events, signals
from resources.artifact import Artifact

MIN_INTERVAL_S = 0.2
# A broker that hangs holds the op up for so long, and is then left alone for a while.
BROKER_TIMEOUT_S = 0.5
LEFT_ALONE_S = 10.0
# A log message costs an insert into the run's events; an op that makes up stages costs no more.
MAX_STAGES_LOGGED = 8
log = structlog.get_logger(__name__)


class Progress(dg.ConfigurableResource):
    """Publishes the progress of the run in hand, at most five times a second.

    The latest state is under the run's progress key, for a day, and each is in the run's stream of
    events, for those who follow it and come back.
    """

    redis_url: str
    _run_id: str = PrivateAttr(default="")
    _run_log: dg.DagsterLogManager | None = PrivateAttr(default=None)
    _told_at_s: float = PrivateAttr(default=float("-inf"))
    _broker_away_until_s: float = PrivateAttr(default=float("-inf"))
    _fraction: float | None = PrivateAttr(default=None)
    _stage: str = PrivateAttr(default="")
    _stages_logged: set[str] = PrivateAttr(default_factory=set)
    _preview: dict[str, Any] | None = PrivateAttr(default=None)
    _part: tuple[float, float] = PrivateAttr(default=(0.0, 1.0))
    _shown_as: str = PrivateAttr(default="{}")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember whose progress this is."""
        self._run_id = context.run.run_id if context.run else ""
        self._run_log = context.log
        self._told_at_s, self._fraction, self._stage = float("-inf"), None, ""
        self._stages_logged, self._preview = set(), None
        self._part, self._shown_as = (0.0, 1.0), "{}"

    def begin_op(self, name: str, number: int, of: int) -> None:
        """Count what is reported from here on as one of a chain's ops.

        Args:
            name: The op, as the stages that are told name it.
            number: Its place, from 0.
            of: How many ops there are; they count alike.
        """
        self._part, self._shown_as = (number / of, 1 / of), f"{name}: {{}}" if of > 1 else "{}"
        self._stages_logged, self._preview = set(), None

    @contextmanager
    def item(self, number: int, of: int) -> Iterator[None]:
        """Count what is reported in the block as one of ``of`` items, ``number`` from 0."""
        outer, shown_as = self._part, self._shown_as
        self._part = (outer[0] + outer[1] * number / of, outer[1] / of)
        self._shown_as = f"{shown_as} ({number + 1} of {of})"
        try:
            yield
        finally:
            self._part, self._shown_as = outer, shown_as

    def report(self, fraction: float, stage: str, preview: Artifact | None = None) -> None:
        """Tell that ``fraction`` (0 to 1) of the op is done and which stage it is in.

        Calls are cheap; they are dropped while the last one is fresh, unless the stage changed.
        The fraction that is told never falls within a run, also when the run starts over on
        another worker. The first time that an op enters a stage, the run's log says so.

        Args:
            fraction: Share of the op that is done.
            stage: What is being done, in a word or two.
            preview: A stored picture or sound of the result so far; goes with the reports that
                are told from here on.
        """
        if preview is not None:
            self._preview = preview.describe()
        now_s, shown = time.monotonic(), self._shown_as.format(stage)
        if shown == self._stage and now_s - self._told_at_s < MIN_INTERVAL_S:
            return
        self._told_at_s, self._stage = now_s, shown
        if now_s >= self._broker_away_until_s:
            begin, share = self._part
            whole = begin + share * min(1.0, max(0.0, fraction))
            try:
                self._tell(signals.connect(self.redis_url, BROKER_TIMEOUT_S), whole, shown)
            except redis.RedisError as error:
                # Progress is a courtesy: the work goes on without it.
                self._broker_away_until_s = time.monotonic() + LEFT_ALONE_S
                log.warning("progress not told", error=str(error))
        self._log_stage(stage)

    def _tell(self, client: redis.Redis, fraction: float, stage: str) -> None:
        key = signals.progress_key(self._run_id)
        if self._fraction is None:
            # A run that starts over finds what its first worker told.
            earlier = client.get(key)
            self._fraction = json.loads(str(earlier))["fraction"] if earlier else 0.0
        self._fraction = max(self._fraction or 0.0, round(fraction, 4))
        told: dict[str, Any] = {"fraction": self._fraction, "stage": stage}
        if self._preview is not None:
            told["preview"] = self._preview
        pipeline = client.pipeline(transaction=False)
        pipeline.set(key, json.dumps(told), ex=signals.PROGRESS_TTL_S)
        run_events.append(pipeline, self._run_id, "progress", told)
        pipeline.execute()

    def _log_stage(self, stage: str) -> None:
        if self._run_log is None or stage in self._stages_logged:
            return
        if len(self._stages_logged) < MAX_STAGES_LOGGED:
            self._stages_logged.add(stage)
            self._run_log.info(f"stage: {stage}")
