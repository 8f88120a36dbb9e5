"""Codes to light and back, for sRGB, ICC profiles and video."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipelines.media.blend_kernels import encode_light
from studio_pipelines.media.shared_decoder import shared_decoder
from studio_pipelines.media.tone_curves import (
    ToneCurves,
    display_curves,
    icc_curves,
    srgb_codes,
    srgb_curves,
    srgb_light,
    video_curves,
)

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
STEP = 1 / 65535


def codes_of(light: np.ndarray, curves: ToneCurves) -> np.ndarray:
    out = np.empty(light.shape, np.uint16)
    encode_light(np.ascontiguousarray(light, np.float32), curves.light, curves.starts, out)
    return out


@pytest.mark.parametrize(
    "curves",
    [srgb_curves(), display_curves(), video_curves(1), video_curves(16), video_curves(18)],
    ids=["srgb", "display", "bt1886", "pq", "hlg"],
)
def test_every_code_comes_back_from_its_light(curves: ToneCurves) -> None:
    back = codes_of(curves.light.T, curves)
    told_apart = np.diff(curves.light[0], prepend=-1) > 0
    assert np.array_equal(back[told_apart, 0], np.flatnonzero(told_apart))
    # Where neighbours have one light in float32, the code that comes back has it too.
    assert np.array_equal(curves.light[0][back[:, 0]], curves.light[0])


@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3))
def test_light_between_codes_goes_to_the_nearest(light: list[float]) -> None:
    got = codes_of(np.array([light]), srgb_curves())[0] * STEP
    assert np.abs(got - srgb_codes(np.array(light))).max() <= 0.5001 * STEP


def test_srgb_is_the_standards() -> None:
    at = np.array([0.0, 0.04045, 0.5, 1.0])
    assert srgb_light(at) == pytest.approx([0, 0.0031308, 0.2140411, 1], abs=1e-7)


def test_the_samples_profiles_say_what_they_are_named_for() -> None:
    def curves(name: str) -> ToneCurves:
        profile = shared_decoder().picture(SAMPLES / name).icc_profile
        assert profile is not None
        found = icc_curves(profile)
        assert found is not None
        return found

    assert np.abs(curves("tower.jpg").light - srgb_curves().light).max() < STEP
    assert np.abs(curves("coffee-p3-16bit.png").light - srgb_curves().light).max() < STEP
    adobe = np.linspace(0, 1, 65536) ** (563 / 256)  # Adobe RGB (1998), 4.3.4.2
    assert np.abs(curves("rocket-sideways.jpg").light - adobe).max() < 1e-6


def profile_with(curve: bytes) -> bytes:
    tags = struct.pack(">I", 3)
    start = 128 + 4 + 3 * 12
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        tags += struct.pack(">4sII", name, start, len(curve))
    return bytes(128) + tags + curve


def parametric(form: int, *values: float) -> bytes:
    fixed = [round(value * 65536) for value in values]
    return b"para" + bytes(4) + struct.pack(f">HH{len(fixed)}i", form, 0, *fixed)


SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@pytest.mark.parametrize(
    ("curve", "light_of_half"),
    [
        (b"curv" + bytes(4) + struct.pack(">I", 0), 0.5),
        (b"curv" + bytes(4) + struct.pack(">IH", 1, 512), 0.25),
        (b"curv" + bytes(4) + struct.pack(">I3H", 3, 0, 13107, 65535), 0.2),
        (parametric(0, 3), 0.125),
        (parametric(1, 2, 1, 0), 0.25),
        (parametric(2, 2, 1, 0, 0), 0.25),
        (parametric(3, *SRGB), 0.2140),
        (parametric(4, *SRGB, 0, 0), 0.2140),
    ],
)
def test_each_kind_of_curve_is_read(curve: bytes, light_of_half: float) -> None:
    found = icc_curves(profile_with(curve))
    assert found is not None
    assert found.light[1, 32768] == pytest.approx(light_of_half, abs=3e-4)


@given(st.binary(max_size=300) | st.binary(max_size=80).map(profile_with))
def test_a_broken_profile_has_no_curves_or_rising_ones(profile: bytes) -> None:
    found = icc_curves(profile)
    assert found is None or (np.diff(found.light, axis=1) >= 0).all()
