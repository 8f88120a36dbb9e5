"""What is learned of the memory that jobs use."""

import math

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.forecast import DECAY, MARGIN, learn, predicted_mib, size_class

PEAKS = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("amount", "named"),
    [
        (24.2, "32 megapixels"),
        (32.0, "32 megapixels"),
        (32.1, "64 megapixels"),
        (1.0, "1 megapixels"),
        (0.3, "0.5 megapixels"),
        (0.0, "0.0625 megapixels"),
        (1e-9, "0.0625 megapixels"),
    ],
)
def test_a_class_is_the_next_power_of_two(amount: float, named: str) -> None:
    assert size_class(amount, "megapixels") == named


@given(st.floats(0.0625, 1e7))
def test_a_class_holds_what_it_names_and_not_twice_as_much(amount: float) -> None:
    bound = float(size_class(amount, "s").split()[0])
    # Seven digits of it are written.
    assert amount <= bound * (1 + 1e-5)
    assert bound < 2 * amount * (1 + 1e-5)


@pytest.fixture
def client(broker_url: str) -> redis.Redis:
    url = f"{broker_url.rpartition('/')[0]}/6"
    return redis.Redis.from_url(url, decode_responses=True)


def predict(client: redis.Redis, kind: str = "cpu", size: str = "1 s") -> float:
    return predicted_mib(client, kind, "depth", size, guess_mib=11)


@pytest.mark.stack
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(peaks=st.lists(PEAKS, min_size=1, max_size=12))
def test_a_higher_peak_counts_at_once_and_lower_ones_wear_it_off(
    client: redis.Redis, peaks: list[float]
) -> None:
    client.flushdb()
    assert predict(client) == 11
    known = 0.0
    for peak_mib in peaks:
        learn(client, "cpu", "depth", "1 s", peak_mib=peak_mib)
        known = max(peak_mib, known - DECAY * (known - peak_mib))
        assert math.isclose(predict(client), MARGIN * known, rel_tol=1e-6, abs_tol=1e-6)
    assert predict(client, kind="NVIDIA A") == predict(client, size="2 s") == 11


def test_without_a_server_the_guess_has_to_do() -> None:
    assert predict(redis.Redis.from_url("redis://127.0.0.1:1/0", retry=None)) == 11
