import itertools

import numpy as np
import pytest

from studio_pipelines.media.banding import banding_estimate
from studio_pipelines.media.colour_difference import (
    delta_e_2000,
    grade_verification,
    srgb_to_lab,
)

# Table 1 of Sharma, Wu and Dalal (2005): two CIELAB colours and their difference.
SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""
PAIRS = np.array([line.split() for line in SHARMA.strip().splitlines()], float)


def test_the_published_pairs():
    assert len(PAIRS) == 34
    first, second, expected = PAIRS[:, :3], PAIRS[:, 3:6], PAIRS[:, 6]
    np.testing.assert_allclose(delta_e_2000(first, second), expected, atol=5e-5)
    np.testing.assert_allclose(delta_e_2000(second, first), expected, atol=5e-5)


@pytest.mark.parametrize(
    ("codes", "lab"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.2408, 80.0925, 67.2032)),
        ((0, 1, 0), (87.7347, -86.1827, 83.1793)),
        ((0, 0, 1), (32.2970, 79.1875, -107.8602)),
    ],
)
def test_srgb_primaries_in_cielab(codes, lab):
    np.testing.assert_allclose(srgb_to_lab(np.array(codes)), lab, atol=0.02)


def gradient(dtype=np.uint8, height: int = 200, width: int = 1024):
    peak = 65535 if dtype == np.uint16 else 255
    across = np.linspace(0.1, 0.9, width)[None, :, None] * np.array([1, 0.8, 0.6])
    down = np.linspace(0.9, 1, height)[:, None, None]
    return np.round(across * down * peak).astype(dtype)


def posterise(pixels, levels: int):
    step = np.iinfo(pixels.dtype).max / levels
    return (np.round(pixels / step) * step).astype(pixels.dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_good_gradient_does_not_band(dtype):
    before = gradient(dtype)
    gentle = (before * 0.9).astype(dtype)
    assert banding_estimate(before, before) < 0.01
    assert banding_estimate(before, gentle) < 0.05


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_banding_rises_as_levels_are_lost(dtype):
    before = gradient(dtype)
    estimates = [banding_estimate(before, posterise(before, levels)) for levels in (128, 64, 32, 8)]
    assert all(a < b for a, b in itertools.pairwise(estimates))
    assert estimates[0] > 0.3
    assert estimates[-1] > 0.9


def test_a_down_gradient_is_seen_too():
    before = np.ascontiguousarray(gradient().transpose(1, 0, 2))
    assert banding_estimate(before, posterise(before, 8)) > 0.9


def test_stretching_bands_eight_bits_and_not_sixteen():
    shallow, deep = gradient(np.uint8), gradient(np.uint16)
    stretched = [np.clip(p.astype(int) * 2, 0, np.iinfo(p.dtype).max) for p in (shallow, deep)]
    assert banding_estimate(shallow, stretched[0].astype(np.uint8)) == pytest.approx(0.5, abs=0.05)
    assert banding_estimate(deep, stretched[1].astype(np.uint16)) < 0.01


def test_edges_are_not_bands():
    checks = np.kron(np.indices((16, 16)).sum(axis=0) % 2, np.ones((8, 8)))[..., None] * 200
    before = np.repeat(checks, 3, axis=2).astype(np.uint8)
    assert banding_estimate(before, posterise(before, 4)) == 0


def test_noise_has_no_gradients_to_band():
    before = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    assert banding_estimate(before, posterise(before, 8)) == 0


def test_verification_of_an_unchanged_picture():
    before = gradient()
    found = grade_verification(before, before)
    assert found["meanDeltaE2000"] == found["maxDeltaE2000"] == 0
    assert found["clippedShareBefore"] == found["clippedShareAfter"] == 0
    assert found["samples"] == 200 * 1024


def test_verification_measures_the_change():
    before = np.full((50, 50, 3), 100, np.uint8)
    after = before.copy()
    after[:25] = 255
    found = grade_verification(before, after)
    labs = srgb_to_lab(np.array([[100 / 255] * 3, [1.0] * 3]))
    step = float(delta_e_2000(labs[:1], labs[1:])[0])
    assert found["maxDeltaE2000"] == pytest.approx(step)
    assert found["meanDeltaE2000"] == pytest.approx(step / 2)
    assert found["clippedShareBefore"] == 0
    assert found["clippedShareAfter"] == 0.5


def test_verification_takes_a_bounded_number_of_pixels():
    before = np.zeros((3000, 4000, 4), np.uint16)
    found = grade_verification(before, before)
    assert 0 < found["samples"] <= 1 << 18
    assert found["clippedShareBefore"] == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (900, 1, 4)])
def test_verification_of_slender_pictures(shape):
    before = np.full(shape, 0.5, np.float32)
    before[0, 0, 0] = np.nan
    found = grade_verification(before, before)
    assert found["maxDeltaE2000"] == 0
    assert found["bandingEstimate"] == 0
