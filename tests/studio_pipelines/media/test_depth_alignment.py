"""Bringing depth maps of the same thing to one scale and shift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from studio_pipelines.media.depth_alignment import Alignment, SteadyDepth, aligned

scales = st.floats(0.05, 20)
shifts = st.floats(-50, 50)
maps = arrays.arrays(
    np.float32, (12, 15), elements=st.floats(-10, 10, width=32), unique=True, fill=st.nothing()
)


@settings(max_examples=60)
@given(maps, scales, shifts)
def test_a_scale_and_shift_are_found(values: np.ndarray, scale: float, shift: float) -> None:
    target = Alignment(scale, shift).apply(values)
    found = aligned(values, target)
    span = float(np.ptp(target))
    assert np.abs(found.apply(values) - target).max() <= 1e-3 * span + 1e-4


@settings(max_examples=40)
@given(maps, scales, shifts, st.integers(0, 2**32 - 1))
def test_a_tenth_of_outliers_does_not_count(
    values: np.ndarray, scale: float, shift: float, seed: int
) -> None:
    clean = Alignment(scale, shift).apply(values)
    wrong = np.random.default_rng(seed).random(values.shape) < 0.1
    spoiled = np.where(wrong, clean + 5 * np.ptp(clean), clean)
    found = aligned(values, spoiled)
    assert np.abs(found.apply(values) - clean).max() <= 0.05 * np.ptp(clean) + 1e-3


@settings(max_examples=60)
@given(maps, maps)
def test_the_scale_is_above_zero_whatever_comes(first: np.ndarray, second: np.ndarray) -> None:
    for target in (second, -first, np.full_like(first, 3)):
        found = aligned(first, target)
        assert found.scale > 0
        assert np.isfinite([found.scale, found.shift]).all()


def test_a_flat_map_is_only_shifted() -> None:
    assert aligned(np.full((4, 4), 2.0), np.full((4, 4), 7.0)) == Alignment(1.0, 5.0)


def test_nothing_to_go_by_changes_nothing() -> None:
    nowhere = np.zeros((3, 3), bool)
    assert aligned(np.ones((3, 3)), np.zeros((3, 3)), nowhere) == Alignment()


def film(frames: int, rng: np.random.Generator) -> list[np.ndarray]:
    """One scene, on another scale and shift in each frame, with noise."""
    y, x = np.mgrid[0:1:40j, 0:1:50j]
    scene = y + 0.3 * np.sin(6 * x)
    made = []
    for _ in range(frames):
        noisy = scene + rng.normal(0, 0.02, scene.shape)
        made.append((noisy * rng.uniform(0.3, 3) + rng.uniform(-2, 2)).astype(np.float32))
    return made


def test_a_film_stays_on_the_first_frames_scale() -> None:
    steady, frames = SteadyDepth(), film(300, np.random.default_rng(4))
    still = np.full((40, 50, 3), 0.5, np.float32)
    held = [steady.next(frame, still) for frame in frames]
    spreads = [np.abs(one - np.median(one)).mean() for one in held]
    # Least squares would have shrunk it to a half by now.
    assert spreads[-1] == pytest.approx(spreads[0], rel=0.05)
    assert np.median(held[-1]) == pytest.approx(np.median(held[0]), abs=0.1 * float(spreads[0]))


def test_what_moves_does_not_count() -> None:
    steady = SteadyDepth()
    y = np.mgrid[0:1:40j, 0:1:50j][0].astype(np.float32)
    codes = np.full((40, 50, 3), 0.5, np.float32)
    steady.next(y, codes)
    moved, seen = y.copy(), codes.copy()
    moved[:25], seen[:25] = 9.0, 1.0
    found = steady.next(moved * 2 + 1, seen)
    np.testing.assert_allclose(found[25:], y[25:], atol=1e-4)


def test_a_cut_is_aligned_as_a_whole() -> None:
    steady = SteadyDepth()
    first = np.mgrid[0:1:40j, 0:1:50j][0].astype(np.float32)
    steady.next(first, np.zeros((40, 50, 3), np.float32))
    found = steady.next(
        first.T[:40, :40].repeat(2, 1)[:, :50] * 30, np.ones((40, 50, 3), np.float32)
    )
    assert np.median(found) == pytest.approx(np.median(first), abs=1e-3)
