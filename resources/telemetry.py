"""Counters and histograms of all processes, added up in Redis for ``/metrics``.

Workers come and go, and a scrape reaches the API alone: so every process adds to one hash, and the
API reads it when it is asked. Names follow Prometheus: base units, ``_total`` for counters.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, unquote

import redis

METRICS_KEY = "studio:metrics"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
# What keeps a label's value readable in the hash, and never ends it.
_PLAIN = "/:+ "

HELP: Mapping[str, str] = {
    "studio_jobs_total": "Jobs that ended, by operation and status.",
    "studio_job_seconds": "How long jobs took, by operation and stage: queued, start, run, total.",
    "studio_run_failures_total": "Runs that failed, by operation and error code.",
    "studio_submissions_total": "Requests, by operation and by what answers them: a new job, an "
    "equal earlier one (cache), or the one of the same key.",
    "studio_webhooks_total": "Tries to deliver a webhook, by event and by how it stands then.",
    "studio_webhook_records_dropped_total": "Stored webhook records that could not be read, by "
    "kind.",
    "studio_retention_removed_total": "What was deleted because it was old, by kind.",
}

Labels = Mapping[str, str]
Additions = Mapping[str, int | float]


def count(client: redis.Redis, name: str, labels: Labels, by: int = 1) -> None:
    """Add to a counter; a broker that is away loses the count, never the work."""
    add(client, {field_of(name, labels): by})


def observe(client: redis.Redis, name: str, value_s: float, labels: Labels) -> None:
    """Add a duration in seconds to a histogram of ``BUCKETS_S``."""
    add(client, observation(name, value_s, labels))


def observation(name: str, value_s: float, labels: Labels) -> Additions:
    """Return what one duration in seconds adds to a histogram: its bucket and the sum."""
    bucket = next((edge for edge in BUCKETS_S if value_s <= edge), "+Inf")
    return {
        field_of(name, {**labels, "le": f"{bucket}"}): 1,
        field_of(f"{name}_sum", labels): float(value_s),
    }


def add(client: redis.Redis, additions: Additions) -> None:
    """Add to several series in one round trip; a broker that is away loses them."""
    with suppress(redis.RedisError):
        pipeline = client.pipeline(transaction=False)
        for field, amount in additions.items():
            if isinstance(amount, int):
                pipeline.hincrby(METRICS_KEY, field, amount)
            else:
                pipeline.hincrbyfloat(METRICS_KEY, field, amount)
        pipeline.execute()


def field_of(name: str, labels: Labels) -> str:
    """Name the hash's field of one series: ``name|label=value|…``, labels in alphabetical order."""
    pairs = (f"{label}={quote(labels[label], safe=_PLAIN)}" for label in sorted(labels))
    return "|".join((name, *pairs))


def help_of(name: str) -> str:
    """Return what a series counts; a name that :data:`HELP` lacks speaks for itself."""
    words = name.removeprefix("studio_").removesuffix("_total").replace("_", " ")
    return HELP.get(name, f"{words.capitalize()}, added up over all processes.")


@dataclass(frozen=True)
class Series:
    """One field of the hash, read back."""

    name: str
    labels: Labels
    value: float


def series_of(stored: Mapping[str, str]) -> Iterator[Series]:
    """Read the hash of :data:`METRICS_KEY` as Redis gives it."""
    for field, value in stored.items():
        name, *pairs = field.split("|")
        split = (pair.partition("=") for pair in pairs)
        yield Series(name, {label: unquote(text) for label, _, text in split}, float(value))
