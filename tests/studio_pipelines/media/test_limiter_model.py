"""The limiter's model follows the limiter closely enough to search with."""

import numpy as np
import pytest

from studio_pipelines.media.limiter import TruePeakLimiter
from studio_pipelines.media.limiter_model import modelled_limited_lufs
from studio_pipelines.media.loudness import amplitude, measure

RATE = 48_000


def beat() -> np.ndarray:
    """A chord under decaying noise, twice a second."""
    n = np.arange(RATE * 8)
    chord = sum(np.sin(2 * np.pi * f / RATE * n) for f in (110, 165, 220))
    hits = np.random.default_rng(1).standard_normal(len(n)) * np.exp(-(n % 24_000) / 600)
    return np.repeat((0.05 * chord + 0.2 * hits)[:, None], 2, axis=1).astype("f4")


def test_it_is_exact_where_nothing_is_limited() -> None:
    before = measure(beat(), RATE)
    gain_db = -before.true_peak_db - 3
    expected = before.integrated_lufs + gain_db
    assert modelled_limited_lufs(before, gain_db, 0.0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("gain_db", [6, 12, 18, 24])
def test_it_is_within_half_a_unit_of_the_limiter(gain_db: float) -> None:
    before = measure(beat(), RATE)
    limiter = TruePeakLimiter(RATE, 2, amplitude(-1.0))
    driven = beat() * np.float32(amplitude(gain_db))
    limited = np.concatenate([limiter.process(driven), limiter.finish()])
    modelled = modelled_limited_lufs(before, gain_db, -1.0)
    assert modelled == pytest.approx(measure(limited, RATE).integrated_lufs, abs=0.5)


def test_it_rises_with_the_gain() -> None:
    before = measure(beat(), RATE)
    levels = [modelled_limited_lufs(before, gain_db, -1.0) for gain_db in np.arange(0, 40, 0.5)]
    assert (np.diff(levels) > 0).all()
