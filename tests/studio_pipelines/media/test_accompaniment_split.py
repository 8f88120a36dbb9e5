"""Masks for drums and bass."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import median_filter

from studio_pipelines.media.accompaniment_split import accompaniment_masks, running_median

BIN_HZ, HOP_S = 44_100 / 4096, 1024 / 44_100


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(2, 60),
    st.sampled_from([1, 3, 5, 17]),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
def test_the_median_is_scipys(rows: int, values: int, width: int, levels: int, seed: int) -> None:
    # Few levels: many values are equal.
    drawn = np.random.default_rng(seed).integers(0, levels, (rows, values)).astype(np.float32)
    if width // 2 >= values:
        width = 2 * (values - 1) + 1
    expected = median_filter(drawn, (1, width), mode="mirror")
    np.testing.assert_array_equal(running_median(drawn, width), expected)
    np.testing.assert_array_equal(running_median(np.asfortranarray(drawn), width), expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 300), st.floats(0, 1e6), st.integers(0, 2**32 - 1))
def test_the_shares_are_shares(frames: int, bins: int, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    magnitudes = (scale * rng.random((frames, bins)) ** 8).astype(np.float32)
    drums, bass = accompaniment_masks(magnitudes, BIN_HZ, HOP_S)
    assert drums.dtype == bass.dtype == np.float32
    for share in (drums, bass, 1 - drums - bass):
        assert share.min() >= -1e-6
        assert share.max() <= 1 + 1e-6


def test_a_click_is_drums_a_low_tone_bass_and_a_high_one_neither() -> None:
    magnitudes = np.full((100, 1024), 1e-3, np.float32)
    magnitudes[50] = 10.0
    low, high = round(80 / BIN_HZ), round(2000 / BIN_HZ)
    magnitudes[:, [low, high]] = 5.0
    drums, bass = accompaniment_masks(magnitudes, BIN_HZ, HOP_S)
    assert drums[50, 500] > 0.99
    assert bass[20, low] > 0.99
    assert drums[20, high] + bass[20, high] == pytest.approx(0, abs=0.01)
