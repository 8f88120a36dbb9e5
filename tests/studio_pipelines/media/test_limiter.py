"""The limiter's promise: never above the ceiling, never a change below it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.media.limiter import LOOK_AHEAD_S, TruePeakLimiter
from studio_pipelines.media.true_peak import true_peak

RATE = 48_000


def limit(
    samples: np.ndarray, ceiling: float, *, rate: int = RATE, cuts: list[int] | None = None
) -> tuple[np.ndarray, float]:
    limiter = TruePeakLimiter(rate, samples.shape[1], ceiling)
    blocks = np.split(samples, sorted(cuts or []))
    out = [limiter.process(block) for block in blocks]
    return np.concatenate([*out, limiter.finish()]), limiter.max_reduction_db


def over_db(samples: np.ndarray, ceiling: float, rate: int = RATE) -> float:
    return 20 * np.log10(max(true_peak(samples, rate), 1e-9) / ceiling)


@given(
    seed=st.integers(0, 2**32 - 1),
    drive_db=st.floats(-12, 40),
    ceiling_db=st.floats(-9, 0),
    sparsity=st.floats(0, 0.999),
    pole=st.floats(-0.999, 0.999),
    rate=st.sampled_from([8_000, 44_100, 48_000, 96_000]),
)
@settings(max_examples=150, deadline=None)
def test_the_true_peak_never_exceeds_the_ceiling(
    seed: int, drive_db: float, ceiling_db: float, sparsity: float, pole: float, rate: int
) -> None:
    rng = np.random.default_rng(seed)
    sound = rng.standard_normal((8_000, 2)) * (rng.random((8_000, 2)) >= sparsity)
    sound[1:] += pole * sound[:-1]
    sound *= 10 ** (drive_db / 20) * np.repeat(rng.random(80) ** 3, 100)[:, None]
    ceiling = 10 ** (ceiling_db / 20)
    out, _ = limit(sound.astype("f4"), ceiling, rate=rate)
    assert len(out) == len(sound)
    assert over_db(out, ceiling, rate) <= 0.0


@pytest.mark.parametrize("frequency_hz", [40, 997, 7_919, 15_000, 19_000, 23_500])
def test_holds_bursts_of_a_tone(frequency_hz: int) -> None:
    n = np.arange(RATE * 2)
    burst = 4 * np.sin(2 * np.pi * frequency_hz / RATE * n) * (n // 6000 % 2)
    out, reduction_db = limit(burst.astype("f4")[:, None], 0.5)
    assert -0.2 < over_db(out, 0.5) <= 0.0
    assert reduction_db > 18


@given(st.lists(st.integers(0, 40_000), max_size=8))
@settings(max_examples=20, deadline=None)
def test_blocks_give_what_the_whole_gives(cuts: list[int]) -> None:
    sound = (0.6 * np.random.default_rng(3).standard_normal((40_000, 2))).astype("f4")
    np.testing.assert_array_equal(limit(sound, 0.8, cuts=cuts)[0], limit(sound, 0.8)[0])


def test_passes_bit_for_bit_what_does_not_exceed() -> None:
    sound = (0.05 * np.random.default_rng(4).standard_normal((RATE, 3))).astype("f4")
    out, reduction_db = limit(sound, 0.9)
    np.testing.assert_array_equal(out, sound)
    assert reduction_db == 0


def test_returns_to_bit_for_bit_after_a_peak_and_before_it() -> None:
    sound = (0.05 * np.random.default_rng(5).standard_normal((RATE * 8, 2))).astype("f4")
    sound[RATE] = 5.0
    out, _ = limit(sound, 0.9)
    changed = np.flatnonzero((out != sound).any(axis=1))
    assert changed[0] >= RATE - (LOOK_AHEAD_S * RATE + 40)
    assert changed[-1] < RATE * 7


def test_channels_share_one_gain() -> None:
    left = np.random.default_rng(6).standard_normal(RATE)
    sound = np.stack([left, 0.25 * left], axis=1).astype("f4")
    out, _ = limit(sound, 0.5)
    np.testing.assert_allclose(out[:, 1], 0.25 * out[:, 0], rtol=1e-5, atol=1e-9)


def test_the_gain_is_smooth() -> None:
    n = np.arange(RATE)
    tone = 0.5 * np.sin(2 * np.pi * 100.3 / RATE * n) + 3.0 * (n == RATE // 2)
    sound = np.stack([tone, np.full(RATE, 0.25)], axis=1).astype("f4")
    out, _ = limit(sound, 0.5)
    gain = out[:, 1].astype(float) / 0.25
    assert gain.min() < 0.2
    assert np.abs(np.diff(gain)).max() < 2.1 / (LOOK_AHEAD_S * RATE)


def test_a_short_peak_is_released_sooner_than_a_long_one() -> None:
    def recovery_frames(frames: int) -> int:
        sound = np.full((RATE * 4, 1), 0.25, "f4")
        sound[RATE : RATE + frames] = 2.0
        out, _ = limit(sound, 0.5)
        after = out[RATE + frames :, 0] / 0.25
        return int(np.argmax(after > 0.97))

    assert recovery_frames(2) < 0.5 * recovery_frames(RATE)
