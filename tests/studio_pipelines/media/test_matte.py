import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.matte import Qualifier, crossed, feathered

PEAKS = [(np.uint8, 255, 255), (np.uint16, 65535, 65535), (np.float32, 1, 65535)]


def hues(count: int = 72, saturation: float = 0.9, value: float = 0.8) -> np.ndarray:
    rows = [colorsys.hsv_to_rgb(k / count, saturation, value) for k in range(count)]
    return np.array(rows, np.float32)[None]


def share_of(qualifier: Qualifier, r: float, g: float, b: float) -> float:
    return float(qualifier.shares(np.array([[[r, g, b]]], np.float32))[0, 0]) / 65535


@pytest.mark.parametrize(("dtype", "peak", "full"), PEAKS)
def test_a_hue_range_picks_its_hues(dtype, peak, full):
    pixels = hues() * peak
    pixels = (np.rint(pixels) if peak > 1 else pixels).astype(dtype)
    shares = Qualifier(hue_deg=(100, 140), hue_softness_deg=20).shares(pixels)[0] / full
    degrees = np.arange(72) * 5
    assert (shares[(degrees > 101) & (degrees < 139)] == 1).all()
    assert (shares[(degrees < 79) | (degrees > 161)] == 0).all()
    edge = shares[(degrees > 141) & (degrees < 159)]
    assert (np.diff(edge) < 0).all()
    assert ((edge > 0) & (edge < 1)).all()


@pytest.mark.parametrize("around_red", [(348, 372), (-12, 12), (348, 12)])
def test_a_hue_range_may_pass_red(around_red):
    shares = Qualifier(hue_deg=around_red, hue_softness_deg=0).shares(hues())[0]
    degrees = np.arange(72) * 5
    assert (shares > 0).tolist() == (np.minimum(degrees, 360 - degrees) <= 10).tolist()


def test_a_grey_has_no_hue():
    assert share_of(Qualifier(hue_deg=(0, 10)), 0.5, 0.5, 0.5) == 0
    assert share_of(Qualifier(hue_deg=(0, 360)), 0.5, 0.5, 0.5) == 1


def test_saturation_and_luma_ranges():
    qualifier = Qualifier(saturation=(0.5, 1), luma=(0.2, 0.6), luma_softness=0.1)
    assert share_of(qualifier, 0.8, 0.2, 0.2) == 1
    assert share_of(qualifier, 0.5, 0.45, 0.45) == 0
    assert share_of(qualifier, 0.1, 0.0, 0.0) == 0
    assert 0 < share_of(qualifier, 0.5, 0.05, 0.05) < 1


@settings(max_examples=50, deadline=None)
@given(
    low=st.floats(0, 360), span=st.floats(0, 360), soft=st.floats(0, 180), seed=st.integers(0, 999)
)
def test_the_rest_is_what_is_left_of_one(low, span, soft, seed):
    pixels = np.random.default_rng(seed).random((5, 7, 3), dtype=np.float32)
    ranges = {"hue_deg": (low, low + span), "hue_softness_deg": soft, "luma": (0.2, 0.7)}
    inside = Qualifier(**ranges).shares(pixels).astype(int)
    outside = Qualifier(**ranges, inverted=True).shares(pixels).astype(int)
    assert np.abs(inside + outside - 65535).max() <= 1


def test_an_upside_down_range_is_refused():
    with pytest.raises(InvalidParameter) as caught:
        Qualifier(luma=(0.7, 0.2))
    assert caught.value.field == "qualifier.luma"


def test_a_mask_narrows_a_matte():
    matte = np.array([[0, 100, 255]], np.uint8)
    assert crossed(matte, np.array([[65535, 32768, 65535]], np.uint16)).tolist() == [[0, 50, 255]]


def test_a_feather_is_a_gaussian():
    matte = np.zeros((301, 301), np.uint8)
    matte[:, 150:] = 255
    soft = feathered(matte, 20.0)[150].astype(float) / 255
    exact = 0.5 * (1 + erf((np.arange(301) - 149.5) / (20 * np.sqrt(2))))
    assert np.abs(soft - exact).max() < 0.015
    assert feathered(matte, 0) is matte


def test_bands_leave_no_seam():
    matte = np.zeros((3000, 900), np.uint16)
    matte[1000:2000, 300:600] = 65535
    soft = feathered(matte, 30.0)
    assert np.abs(np.diff(soft[:, 450].astype(int))).max() < 65535 / 60
    np.testing.assert_array_equal(soft[500:1500], soft[2499:1499:-1])
