"""When a job is to be queued: at once, at a time, or with the nightly batch."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from api.errors import InvalidRequest
from resources.run_tags import BATCH_TAG, NEXT_BATCH, SCHEDULED_FOR_TAG
from studio_pipelines.batch_time import next_batch
from studio_pipelines.settings import Settings

# As long as the wish to be told of a job's end is kept, with time to work.
LONGEST_DAYS = 30
Wish = Literal["now", "batch"] | datetime


@dataclass(frozen=True)
class Schedule:
    """The time before which a job is not queued.

    Attributes:
        at: The time, in UTC; of a batch, when the next one is expected.
        in_batch: Whether it waits for the batch, whenever that comes.
    """

    at: datetime
    in_batch: bool = False

    def tags(self) -> dict[str, str]:
        """Return the tags of a run that waits for it."""
        waits = {SCHEDULED_FOR_TAG: self.at.isoformat(timespec="milliseconds")}
        return {**waits, BATCH_TAG: NEXT_BATCH} if self.in_batch else waits


def schedule_of(wish: Wish, settings: Settings, now: datetime) -> Schedule | None:
    """Return what a request wishes, or None where that is at once: also for a time that is past.

    Raises:
        InvalidRequest: The time lies too far ahead.
    """
    if wish == "now":
        return None
    if wish == "batch":
        return Schedule(next_batch(settings, now), in_batch=True)
    assert isinstance(wish, datetime)
    if wish > now + timedelta(days=LONGEST_DAYS):
        raise InvalidRequest(
            f"schedule: {wish.isoformat()} is more than {LONGEST_DAYS} days ahead.",
            field="schedule",
            hint=f"Take a time within the next {LONGEST_DAYS} days.",
        )
    return Schedule(wish.astimezone(UTC)) if wish > now else None
