"""Levelling brings a wide range to the one asked for, and leaves pauses and narrow ranges alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.media.loudness import measure
from studio_pipelines.media.loudness_range import (
    MOST_LEVELLING_DB,
    Leveller,
    plan_levelling,
)

RATE = 16_000


def wandering(seed: int, spread_db: float, seconds: int = 90) -> np.ndarray:
    """Noise whose level wanders between points 5 s apart."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-spread_db, 0, seconds // 5 + 1)
    time_s = np.arange(seconds * RATE) / RATE
    level = 10 ** (np.interp(time_s, np.arange(len(points)) * 5, points) / 20)
    return (0.1 * level[:, None] * rng.standard_normal((len(level), 2))).astype("f4")


def levelled(samples: np.ndarray, lra_lu: float) -> tuple[np.ndarray, float]:
    plan = plan_levelling(measure(samples, RATE), lra_lu)
    stage = Leveller(plan, RATE, samples.shape[1])
    parts = [stage.process(part) for part in np.array_split(samples, 7)]
    return np.concatenate([*parts, stage.finish()]), plan.expected_lra_lu


@given(seed=st.integers(0, 999), spread_db=st.floats(12, 25), lra_lu=st.floats(4, 8))
@settings(max_examples=8, deadline=None)
def test_the_range_asked_for_is_reached_as_expected(
    seed: int, spread_db: float, lra_lu: float
) -> None:
    samples = wandering(seed, spread_db)
    before = measure(samples, RATE)
    out, expected_lu = levelled(samples, lra_lu)
    after = measure(out, RATE)
    assert out.shape == samples.shape
    assert after.lra_lu == pytest.approx(expected_lu, abs=0.1)
    if before.lra_lu > lra_lu:
        assert after.lra_lu == pytest.approx(lra_lu, abs=0.5)
    else:
        assert after.lra_lu == pytest.approx(before.lra_lu, abs=0.1)


def test_the_gain_is_slow_and_limited() -> None:
    samples = wandering(1, 60)
    plan = plan_levelling(measure(samples, RATE), 1.0)
    assert np.abs(plan.gains_db).max() == MOST_LEVELLING_DB
    assert plan.expected_lra_lu > 1.5
    assert np.abs(np.diff(plan.gains_db)).max() < 3


def test_what_lies_below_the_gate_is_not_raised_further() -> None:
    rng = np.random.default_rng(3)
    level_db = np.repeat([-20.0, -32, -20, -75, -20, -32], 10 * RATE)
    samples = 10 ** (level_db / 20) * rng.standard_normal(len(level_db))
    plan = plan_levelling(measure(samples[:, None].astype("f4"), RATE), 8.0)
    quiet_db, pause_db = plan.gains_db[150], plan.gains_db[350]
    assert quiet_db > 1
    assert pause_db == pytest.approx(plan.share * 20, abs=0.1)
    assert pause_db < plan.share * (75 - 24)


def test_digital_silence_stays_finite_and_silent() -> None:
    samples = np.concatenate([wandering(4, 20, 30), np.zeros((10 * RATE, 2), "f4")])
    out, expected_lu = levelled(samples, 3.0)
    assert np.isfinite(out).all()
    assert not out[-9 * RATE :].any()
    assert expected_lu == pytest.approx(3.0, abs=0.1)
