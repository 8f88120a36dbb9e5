from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from studio_pipelines.media.colour_match import match_lut
from studio_pipelines.media.lut import apply_lut
from studio_pipelines.media.lut_fit import fit_lut, lattice_points, never_falling

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
METHODS = ["reinhard", "mkl", "transport"]


def photo(name: str) -> np.ndarray:
    with Image.open(SAMPLES / name) as picture:
        small = np.asarray(picture.convert("RGB").resize((320, 240)))
    return np.ascontiguousarray(small.astype(np.float32) / 255)


def flat(picture: np.ndarray) -> np.ndarray:
    return picture.reshape(-1, 3).astype(np.float64)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean sliced Wasserstein distance between two sets of colours."""
    axes = np.random.default_rng(5).standard_normal((24, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    ranks = np.linspace(0, 1, 501)
    gaps = [np.quantile(a @ axis, ranks) - np.quantile(b @ axis, ranks) for axis in axes]
    return float(np.abs(gaps).mean())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("name", "other"), [("tower.jpg", "astronaut.jpg"), ("astronaut.jpg", "tower.jpg")]
)
def test_a_match_brings_the_colours_nearer(method, name, other):
    source, reference = photo(name), photo(other)
    lut = match_lut(flat(source), flat(reference), method)
    matched = flat(apply_lut(source, lut))
    before = distance(flat(source), flat(reference))
    assert distance(matched, flat(reference)) < before * (0.2 if method == "transport" else 0.6)


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_matched_to_itself_stays(method):
    source = photo("tower.jpg")
    matched = apply_lut(source, match_lut(flat(source), flat(source), method))
    assert np.abs(matched - source).max() < 0.02


def test_mkl_takes_mean_and_covariance_over():
    rng = np.random.default_rng(3)
    source = rng.normal(0.5, 0.04, (40_000, 3))
    mixing = np.array([[1, 0.5, 0.1], [0, 0.8, 0.2], [0, 0, 0.5]])
    wanted = rng.normal(0, 0.05, (40_000, 3)) @ mixing + [0.4, 0.5, 0.6]
    lut = match_lut(source, wanted, "mkl")
    matched = flat(apply_lut(source[None].astype(np.float32), lut))
    np.testing.assert_allclose(matched.mean(axis=0), wanted.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(np.cov(matched.T), np.cov(wanted.T), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_pictures_of_one_colour_match(method):
    one, other = np.full((1, 3), 0.2), np.full((500, 3), 0.7)
    matched = apply_lut(one[None].astype(np.float32), match_lut(one, other, method))
    assert np.abs(matched - 0.7).max() < 0.02


def test_the_transport_is_the_same_each_time():
    source, reference = flat(photo("tower.jpg")), flat(photo("coffee-p3-16bit.png"))
    tables = [match_lut(source, reference, "transport").table for _ in range(2)]
    np.testing.assert_array_equal(*tables)


def test_a_fit_finds_a_smooth_map():
    rng = np.random.default_rng(4)
    before = rng.random((20_000, 3))
    after = 0.1 + 0.7 * before**1.3 + 0.1 * before[:, [1, 2, 0]]
    fitted = apply_lut(before[None].astype(np.float32), fit_lut(before, after))
    assert np.abs(fitted - after).mean() < 0.002
    assert np.abs(fitted - after).max() < 0.03


def test_a_fit_bends_nothing_where_there_are_no_colours():
    # All colours are dark and reddish; they become lighter by the same factor.
    rng = np.random.default_rng(4)
    before = rng.random((20_000, 3)) * [0.4, 0.2, 0.2]
    table = fit_lut(before, 1.25 * before).table.reshape(-1, 3)
    expected = np.clip(1.25 * lattice_points(33), 0, 1)
    assert np.abs(table - expected).max() < 0.06


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 400), spread=st.floats(0, 1))
def test_any_fit_is_bounded_and_never_falls(seed, count, spread):
    rng = np.random.default_rng(seed)
    before, after = rng.random((count, 3)) * spread, rng.random((count, 3))
    table = fit_lut(before, after).table
    assert table.min() >= 0
    assert table.max() <= 1
    for channel, axis in enumerate((2, 1, 0)):
        assert np.diff(table[..., channel], axis=axis).min() >= 0


def test_a_rising_table_is_left_as_it_is():
    table = lattice_points(9).reshape(9, 9, 9, 3) ** 2
    np.testing.assert_array_equal(never_falling(table), table)
