"""Adding up figures of many processes, on a real server."""

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from resources.telemetry import (
    BUCKETS_S,
    METRICS_KEY,
    Series,
    count,
    field_of,
    observation,
    observe,
    series_of,
)

NAMES = st.from_regex(r"[a-z_]{1,20}", fullmatch=True)


@given(name=NAMES, labels=st.dictionaries(NAMES, st.text()), value=st.integers(0, 10**9))
def test_a_series_is_read_back_as_it_was_named(
    name: str, labels: dict[str, str], value: int
) -> None:
    stored = {field_of(name, labels): str(value)}
    assert list(series_of(stored)) == [Series(name, labels, value)]


@given(value_s=st.floats(0, 1e6))
def test_a_duration_is_in_the_first_bucket_that_holds_it(value_s: float) -> None:
    bucket, total = series_of({f: str(v) for f, v in observation("x_seconds", value_s, {}).items()})
    edge = float(bucket.labels["le"])
    assert value_s <= edge
    assert all(value_s > smaller for smaller in BUCKETS_S if smaller < edge)
    assert (bucket.name, bucket.value) == ("x_seconds", 1)
    assert total == Series("x_seconds_sum", {}, value_s)


@pytest.mark.stack
def test_figures_add_up(broker_url: str) -> None:
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    count(client, "studio_things_total", {"kind": "a|b"})
    count(client, "studio_things_total", {"kind": "a|b"}, by=2)
    observe(client, "studio_thing_seconds", 0.02, {})
    observe(client, "studio_thing_seconds", 0.025, {})
    stored = client.hgetall(METRICS_KEY)
    assert sorted(series_of(stored), key=lambda one: one.name) == [
        Series("studio_thing_seconds", {"le": "0.025"}, 2),
        Series("studio_thing_seconds_sum", {}, pytest.approx(0.045)),
        Series("studio_things_total", {"kind": "a|b"}, 3),
    ]


def test_a_broker_that_is_away_loses_figures_and_nothing_else() -> None:
    away = redis.Redis(port=1)
    count(away, "studio_things_total", {})
    observe(away, "studio_thing_seconds", 1.0, {})
