"""The blend, held to plain arithmetic in float64."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import ImageCms

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.coverage import FULL
from studio_pipelines.media.layer import Layer, converted, layer_of
from studio_pipelines.media.laying_over import Cutout, laid_over
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.tone_curves import (
    display_curves,
    srgb_codes,
    srgb_curves,
    srgb_light,
)


def layer(codes: np.ndarray, alpha: np.ndarray | None = None) -> Layer:
    return Layer(codes, alpha, srgb_curves(), Picture(codes))


def codes(dtype: Any) -> Any:
    return arrays.arrays(dtype, (5, 4, 3))


ALPHA = arrays.arrays(np.uint16, (5, 4))


@given(codes(np.uint16), codes(np.uint16), ALPHA)
def test_light_is_mixed_to_the_last_of_sixteen_bits(
    above: np.ndarray, below: np.ndarray, alpha: np.ndarray
) -> None:
    got, total = laid_over(Cutout(above, alpha), layer(below), srgb_curves())
    share = alpha[..., None] / FULL
    light = share * srgb_light(above / FULL) + (1 - share) * srgb_light(below / FULL)
    assert total is None
    assert np.abs(got - srgb_codes(light) * FULL).max() <= 1


@given(codes(np.uint8), codes(np.uint8), ALPHA)
def test_code_values_are_mixed_where_the_display_space_is_asked_for(
    above: np.ndarray, below: np.ndarray, alpha: np.ndarray
) -> None:
    got, _ = laid_over(Cutout(above, alpha), layer(below), display_curves())
    share = alpha[..., None] / FULL
    assert np.abs(got - (share * above + (1 - share) * below)).max() <= 0.501


@given(codes(np.uint16), codes(np.uint16), st.sampled_from([0, FULL]))
def test_whole_pixels_are_copied_bit_by_bit(
    above: np.ndarray, below: np.ndarray, share: int
) -> None:
    alpha = np.full((5, 4), share, np.uint16)
    got, _ = laid_over(Cutout(above, alpha), layer(below), srgb_curves())
    assert np.array_equal(got, above if share else below)


@given(codes(np.uint16), codes(np.uint16), ALPHA, ALPHA)
def test_over_a_transparent_background_is_porter_and_duffs(
    above: np.ndarray, below: np.ndarray, upper: np.ndarray, lower: np.ndarray
) -> None:
    got, total = laid_over(Cutout(above, upper), layer(below, lower), srgb_curves())
    a, b = upper / FULL, lower / FULL
    both = a + (1 - a) * b
    assert total is not None
    assert np.abs(total / FULL - both).max() <= 0.51 / FULL
    premultiplied = a[..., None] * srgb_light(above / FULL) + ((1 - a) * b)[..., None] * srgb_light(
        below / FULL
    )
    assert np.abs(srgb_light(got / FULL) * both[..., None] - premultiplied).max() < 5e-5


def test_the_backgrounds_light_wraps_the_edge_and_not_the_middle() -> None:
    above = np.full((200, 200, 3), 60, np.uint8)
    below = np.full((200, 200, 3), 240, np.uint8)
    alpha = np.zeros((200, 200), np.uint16)
    alpha[50:150, 50:150] = FULL
    plain, _ = laid_over(Cutout(above, alpha), layer(below), srgb_curves())
    wrapped, _ = laid_over(Cutout(above, alpha), layer(below), srgb_curves(), 1.0)
    assert np.array_equal(plain[100, 100], wrapped[100, 100])
    assert (wrapped[51, 100] > plain[51, 100] + 30).all()
    assert np.array_equal(wrapped[:45], plain[:45])
    assert above.max() == 60, "the cut-out itself is left alone"


def test_layers_keep_depth_and_take_transparency_apart() -> None:
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., 3] = 128
    taken = layer_of(Picture(rgba))
    assert taken.codes.dtype == np.uint8
    assert taken.alpha is not None
    assert set(taken.alpha.ravel()) == {128 * 257}
    rgba[..., 3] = 255
    assert layer_of(Picture(rgba)).alpha is None
    grey = layer_of(Picture(np.full((2, 3, 1), 7, np.uint16)))
    assert grey.codes.shape == (2, 3, 3)


@pytest.mark.parametrize(("source", "expected"), [("image/x-exr", 0.735357), ("image/tiff", 0.5)])
def test_floats_become_sixteen_bits_and_light_becomes_codes(source: str, expected: float) -> None:
    values = np.array([[[0.5, 2.0, np.nan]]], np.float32)
    taken = layer_of(Picture(values, source_format=source, has_non_finite=True))
    assert taken.codes.dtype == np.uint16
    assert taken.codes[0, 0] / FULL == pytest.approx([expected, 1, 0], abs=1e-5)
    assert "16 bits" in taken.notes[-1]


def test_a_profile_without_a_way_into_its_colours_is_refused() -> None:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for row in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12):
        if profile[row : row + 4] in (b"rXYZ", b"gXYZ", b"bXYZ"):  # a matrix of zeros
            start = int.from_bytes(profile[row + 4 : row + 8], "big") + 8
            profile[start : start + 12] = bytes(12)
    pixels = np.full((2, 2, 3), 100, np.uint8)
    plain, odd = layer_of(Picture(pixels)), layer_of(Picture(pixels, icc_profile=bytes(profile)))
    with pytest.raises(UnusableMedia, match="ICC profile"):
        converted(plain, odd)
