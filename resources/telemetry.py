"""Counters and histograms of all processes, added up in Redis for ``/metrics``.

Workers come and go, and a scrape reaches the API alone: so every process adds to one hash, and the
API reads it when it is asked. Names follow Prometheus: base units, ``_total`` for counters.
"""

from collections.abc import Mapping
from contextlib import suppress

import redis

METRICS_KEY = "studio:metrics"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

Labels = Mapping[str, str]


def count(client: redis.Redis, name: str, labels: Labels, by: int = 1) -> None:
    """Add to a counter; a broker that is away loses the count, never the work."""
    with suppress(redis.RedisError):
        client.hincrby(METRICS_KEY, field_of(name, labels), by)


def observe(client: redis.Redis, name: str, value_s: float, labels: Labels) -> None:
    """Add a duration in seconds to a histogram of ``BUCKETS_S``."""
    bucket = next((edge for edge in BUCKETS_S if value_s <= edge), "+Inf")
    with suppress(redis.RedisError):
        pipeline = client.pipeline(transaction=False)
        pipeline.hincrby(METRICS_KEY, field_of(name, {**labels, "le": f"{bucket}"}), 1)
        pipeline.hincrbyfloat(METRICS_KEY, field_of(f"{name}_sum", labels), value_s)
        pipeline.execute()


def field_of(name: str, labels: Labels) -> str:
    """Name the hash's field of one series: ``name|label=value|…``, labels in alphabetical order."""
    return "|".join((name, *(f"{label}={labels[label]}" for label in sorted(labels))))
