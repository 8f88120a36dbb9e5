from pathlib import Path

import numpy as np
import PyOpenColorIO as ocio  # noqa: N813  the name its own documents use
import pytest
import pyvips

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.colour_spaces import CONFIGS, colour_path
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.exr_encode import encode_exr
from studio_pipelines.media.grade import compile_grade
from studio_pipelines.media.grade_bake import bake, cube_max_error
from studio_pipelines.media.grade_recipe import Cdl, GradeRecipe
from studio_pipelines.media.lut import apply_lut
from studio_pipelines.media.picture import Picture

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
SRGB = "sRGB Encoded Rec.709 (sRGB)"
VIEW = ("sRGB - Display", "ACES 2.0 - SDR 100 nits (Rec.709)")


def light(seed: int = 1, channels: int = 3) -> np.ndarray:
    """Scene-linear values, four decades of them."""
    rng = np.random.default_rng(seed)
    pixels = (10 ** rng.uniform(-3, 1, (37, 53, channels))).astype(np.float32)
    pixels[..., 3:] = rng.random((37, 53, channels - 3), dtype=np.float32)
    return pixels


def through_ocio(pixels: np.ndarray, *transforms: ocio.Transform) -> np.ndarray:
    config = ocio.Config.CreateFromFile(CONFIGS["studio-aces-2"])
    group = ocio.GroupTransform(list(transforms))
    values = np.ascontiguousarray(pixels.astype(np.float32))
    config.getProcessor(group).getDefaultCPUProcessor().applyRGB(values)
    return values


def between(source: str, target: str) -> ocio.Transform:
    return ocio.ColorSpaceTransform(src=source, dst=target)


@pytest.mark.parametrize("source", ["ACEScg", "ARRI LogC4", "S-Log3 S-Gamut3.Cine", "ACES2065-1"])
def test_a_conversion_is_opencolorios(source):
    pixels = through_ocio(light(), between("ACEScg", source))
    converted = compile_grade(GradeRecipe(path=colour_path(source, SRGB))).apply(pixels)
    expected = through_ocio(pixels, between(source, SRGB))
    np.testing.assert_allclose(converted, expected, rtol=1e-3, atol=5e-4)


@pytest.mark.parametrize("config", list(CONFIGS))
def test_there_and_back_is_where_it_began(config):
    pixels = light()
    same = compile_grade(GradeRecipe(path=colour_path("ACEScg", config_name=config))).apply(pixels)
    np.testing.assert_allclose(same, pixels, rtol=2e-3, atol=1e-6)


def test_a_view_transform_is_opencolorios():
    pixels = light()
    shown = compile_grade(GradeRecipe(path=colour_path("ACEScg", None, VIEW))).apply(pixels)
    view = ocio.DisplayViewTransform(src="ACEScg", display=VIEW[0], view=VIEW[1])
    np.testing.assert_allclose(shown, through_ocio(pixels, view), atol=2e-4)


def test_the_cdl_acts_in_log_as_opencolorios():
    cdl = Cdl(
        slope=(1.1, 0.95, 0.9), offset=(-0.02, 0.01, 0.03), power=(0.9, 1.1, 1.2), saturation=1.3
    )
    pixels = light()
    graded = compile_grade(GradeRecipe(cdl=cdl, path=colour_path("ACEScg"))).apply(pixels)
    asc = ocio.CDLTransform(slope=cdl.slope, offset=cdl.offset, power=cdl.power, sat=1.3)
    asc.setStyle(ocio.CDL_ASC)
    steps = (between("ACEScg", "ACEScct"), asc, between("ACEScct", "ACEScg"))
    np.testing.assert_allclose(graded, through_ocio(pixels, *steps), rtol=5e-3, atol=1e-5)


def test_a_stop_doubles_the_light_of_the_scene():
    pixels = np.geomspace(0.05, 5, 300, dtype=np.float32).reshape(1, 100, 3)
    graded = compile_grade(GradeRecipe(exposure_stops=1, path=colour_path("ACEScg"))).apply(pixels)
    np.testing.assert_allclose(graded, pixels * 2, rtol=2e-3)


def test_contrast_leaves_middle_grey_alone():
    pixels = np.full((1, 1, 3), 0.18, np.float32)
    graded = compile_grade(GradeRecipe(contrast=2, path=colour_path("ACEScg"))).apply(pixels)
    np.testing.assert_allclose(graded, pixels, rtol=1e-3)


def test_alpha_and_a_black_mask_are_left_alone():
    pixels = light(channels=4)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    recipe = GradeRecipe(exposure_stops=2, contrast=1.5, path=colour_path("ACEScg"))
    graded = compile_grade(recipe).apply(pixels, mask=mask)
    np.testing.assert_array_equal(graded[..., 3], pixels[..., 3])
    np.testing.assert_allclose(graded[..., :3], pixels[..., :3], rtol=2e-3, atol=1e-6)


def test_a_profile_is_honoured():
    picture = Decoder().picture(SAMPLES / "coffee-p3-16bit.png")
    profile, out = picture.icc_profile, np.empty(picture.pixels.shape, np.float32)
    path = colour_path("icc", "Display P3 - Display", icc_profile=profile)
    compile_grade(GradeRecipe(path=path)).apply(picture.pixels, out=out)
    off = np.abs(out * 255 - picture.pixels / 257)
    assert off.max() < 1.5
    assert off.mean() < 0.2
    assert path.output_profile == pyvips.Image.profile_load("p3")


def test_a_profile_is_converted_as_littlecms_does():
    picture = Decoder().picture(SAMPLES / "coffee-p3-16bit.png")
    out = np.empty(picture.pixels.shape, np.uint8)
    path = colour_path("icc", icc_profile=picture.icc_profile)
    compile_grade(GradeRecipe(path=path)).apply(picture.pixels, out=out)
    source = pyvips.Image.new_from_file(str(SAMPLES / "coffee-p3-16bit.png"))
    expected = source.icc_transform("srgb", embedded=True, intent="relative", depth=8).numpy()
    off = np.abs(out.astype(int) - expected)
    assert np.quantile(off, 0.999) <= 4, "near zero the two round differently"
    assert off.mean() < 0.2


@pytest.mark.parametrize(
    ("arguments", "field", "hint"),
    [
        (("ACEScgg", None, None), "inputSpace", "ACEScg"),
        (("ACEScg", "sRGB display", None), "outputSpace", "sRGB - Display"),
        (("ACEScg", None, ("sRGB", "Raw")), "display", "sRGB - Display"),
        (("ACEScg", None, ("sRGB - Display", "ACES 1.0")), "view", "ACES 2.0"),
        (("icc", None, None), "inputSpace", "Name the colour space"),
    ],
)
def test_unknown_names_are_refused_with_those_that_are_near(arguments, field, hint):
    with pytest.raises(InvalidParameter) as caught:
        colour_path(*arguments)
    assert caught.value.field == field
    assert hint in (caught.value.hint or "")


def test_a_baked_cube_says_how_far_off_it_is():
    recipe = GradeRecipe(contrast=1.2, path=colour_path(SRGB, "sRGB Encoded P3-D65"))
    cube = bake(recipe)
    codes = np.random.default_rng(3).random((50, 60, 3), dtype=np.float32)
    off = np.abs(apply_lut(codes, cube) - compile_grade(recipe).apply(codes)).max()
    assert off <= cube_max_error(recipe, cube) * 1.05 < 0.1


@pytest.mark.parametrize("samples", ["half", "float"])
def test_an_exr_comes_back(tmp_path, samples):
    pixels = light(channels=4)
    encode_exr(Picture(pixels), tmp_path / "a.exr", samples=samples, colour_space="ACEScg")
    again = Decoder().picture(tmp_path / "a.exr")
    assert again.source_format == "image/x-exr"
    tolerance = 2e-3 if samples == "half" else 1e-5
    np.testing.assert_allclose(again.pixels, pixels, rtol=tolerance, atol=1e-3)


def test_a_half_holds_what_is_too_bright(tmp_path):
    pixels = np.full((2, 2, 3), 1e6, np.float32)
    encode_exr(Picture(pixels), tmp_path / "a.exr")
    assert Decoder().picture(tmp_path / "a.exr").pixels.max() == 65504


def test_an_exr_on_a_full_disk_is_no_half_a_file(tmp_path):
    with pytest.raises(OSError, match="OpenEXR"):
        encode_exr(Picture(light()), tmp_path / "missing" / "a.exr")


@pytest.mark.parametrize("threads", [1, 3])
def test_dither_is_fair_and_the_same_each_time(threads):
    codes = np.full((400, 500, 3), 100.3 / 255, np.float32)
    out = np.empty(codes.shape, np.uint8)
    grade = compile_grade(GradeRecipe())
    grade.apply(codes, out=out, dither=True, threads=threads)
    assert out.mean() == pytest.approx(100.3, abs=0.01)
    assert set(np.unique(out)) == {99, 100, 101, 102} - ({102} if out.max() < 102 else set())
    again = np.empty_like(out)
    grade.apply(codes, out=again, dither=True, threads=1)
    np.testing.assert_array_equal(out, again)


def test_dither_breaks_a_band():
    ramp = np.repeat(np.linspace(0.2, 0.22, 600, dtype=np.float32)[None, :, None], 3, axis=2)
    ramp = np.repeat(ramp, 200, axis=0)
    outs = [np.empty(ramp.shape, np.uint8) for _ in range(2)]
    for out, dither in zip(outs, (False, True), strict=True):
        compile_grade(GradeRecipe()).apply(ramp, out=out, dither=dither)
    means = [np.abs(out.mean(axis=0) - ramp[0] * 255).max() for out in outs]
    assert means[0] > 0.45
    assert means[1] < 0.25
