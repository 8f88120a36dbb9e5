"""How many jobs an owner may have under way, and begin in a day."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import redis
from dagster import DagsterInstance

from api.errors import RETRY_AFTER_S
from api.rate_headers import CONCURRENT_JOBS, DAILY_JOBS, DAILY_SECONDS, limit_header
from api.refusals import QuotaUsedUp, TooManyJobs
from resources import key_usage
from resources.api_keys import Limits
from resources.owner_places import jobs_under_way, turn_of
from resources.run_tags import LOCAL_OWNER
from resources.signals import broker_faults


class JobAllowances:
    """Makes room for an owner's next job, or refuses it.

    What is under way is read off storage; what was begun today is counted in Redis.
    """

    def __init__(self, client: redis.Redis, instance: DagsterInstance) -> None:
        self._client = client
        self._instance = instance

    @contextmanager
    def room_for(
        self, owner: str, limits: Limits, *, is_scheduled: bool = False
    ) -> Iterator[Callable[[], None]]:
        """Keep room for one more job while the block makes it.

        Args:
            owner: Whose job it is.
            limits: How much may be asked for.
            is_scheduled: Whether it needs no place among those under way until its time comes.

        Yields:
            What to call when the job is begun.

        Raises:
            LimitReached: It would be too much.
            BrokerUnavailable: Redis does not answer.
        """
        if owner == LOCAL_OWNER:
            yield _nothing
        elif limits == Limits(limits.rate_per_minute):
            yield partial(self._count, owner)
        else:
            with broker_faults(), turn_of(self._client, owner):
                if not is_scheduled:
                    self._require_place(owner, limits.concurrent_jobs)
                self._require_quota(owner, limits)
                yield partial(self._count, owner)

    def _require_place(self, owner: str, most: int | None) -> None:
        if most is None:
            return
        if jobs_under_way(self._instance, owner) >= most:
            raise TooManyJobs(
                f"{most} jobs are under way, which is the API key's limit.",
                CONCURRENT_JOBS,
                RETRY_AFTER_S,
                limit_header(CONCURRENT_JOBS, 0, RETRY_AFTER_S),
            )

    def _require_quota(self, owner: str, limits: Limits) -> None:
        with broker_faults():
            used = key_usage.usage_today(self._client, owner)
        for policy, spent, quota, unit in (
            (DAILY_JOBS, used.jobs, limits.daily_jobs, "jobs"),
            (DAILY_SECONDS, used.seconds, limits.daily_seconds, "seconds of work"),
        ):
            if quota is not None and spent >= quota:
                wait_s = key_usage.day_ends_in_s()
                raise QuotaUsedUp(
                    f"The API key has used up its {quota} {unit} of today (UTC).",
                    policy,
                    wait_s,
                    limit_header(policy, 0, wait_s),
                )

    def _count(self, owner: str) -> None:
        with suppress(redis.RedisError):  # the job is made: it is not to fail for its counting
            key_usage.count_job(self._client, owner)


def _nothing() -> None:
    """Count nothing: where keys are off there are no limits."""
