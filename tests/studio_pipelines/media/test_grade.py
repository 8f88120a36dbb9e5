import numpy as np
import PyOpenColorIO as ocio  # noqa: N813
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.grade import compile_grade, shape_codes
from studio_pipelines.media.grade_bake import bake, cube_max_error
from studio_pipelines.media.grade_recipe import Cdl, GradeRecipe
from studio_pipelines.media.lut import apply_lut
from studio_pipelines.media.lut_formats import format_cube, parse_cube
from studio_pipelines.media.lut_table import Lut
from studio_pipelines.media.white_balance import planckian_uv, white_balance_gains

PEAKS = [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)]
CDL = Cdl(slope=(1.1, 0.95, 0.9), offset=(-0.02, 0.01, 0.03), power=(0.9, 1.1, 1.2), saturation=1.3)
STRONG = GradeRecipe(exposure_stops=0.7, temperature_mired=30, tint=-15, contrast=1.2, cdl=CDL)


def smooth_lut(edge: int = 33, **kwargs) -> Lut:
    axis = np.linspace(0, 1, edge)
    b, g, r = np.meshgrid(axis, axis, axis, indexing="ij")
    rows = [r**0.8, 0.9 * g + 0.1 * r * b, 0.05 + 0.9 * b**1.2]
    return Lut(table=np.stack(rows, axis=-1).astype(np.float32), **kwargs)


def picture(dtype, channels: int = 3, seed: int = 1):
    rng = np.random.default_rng(seed)
    if dtype == np.float32:
        return rng.random((61, 83, channels), dtype=np.float32)
    return rng.integers(0, np.iinfo(dtype).max + 1, (61, 83, channels), dtype=dtype)


def stage_by_stage(recipe: GradeRecipe, codes):
    """Return the grade of float64 code values, one NumPy stage after the other."""
    x = np.stack([shape_codes(recipe, codes[..., c])[c] for c in range(3)], axis=-1)
    if recipe.cdl != Cdl():
        luma = x @ np.array([0.2126, 0.7152, 0.0722])
        x = np.clip(luma[..., None] + recipe.cdl.saturation * (x - luma[..., None]), 0, 1)
    if recipe.lut is not None:
        x = apply_lut(x.astype(np.float32), recipe.lut, interpolation=recipe.interpolation)
    return codes * (1 - recipe.intensity) + recipe.intensity * x


def shaper_of(*powers: float):
    return (np.linspace(0, 1, 99)[:, None] ** np.array(powers)).astype(np.float32)


RECIPES = {
    "exposure": GradeRecipe(exposure_stops=-1.5),
    "white balance": GradeRecipe(temperature_mired=-60, tint=40),
    "contrast": GradeRecipe(contrast=1.6, pivot=0.3),
    "cdl": GradeRecipe(cdl=CDL),
    "no saturation": GradeRecipe(cdl=Cdl(saturation=0.0)),
    "lut": GradeRecipe(lut=smooth_lut()),
    "mixed": GradeRecipe(exposure_stops=0.4, lut=smooth_lut(), intensity=0.6),
    "curves": GradeRecipe(contrast=1.1, lut=Lut(shaper=shaper_of(1, 0.7, 1.5))),
    "shaper": GradeRecipe(exposure_stops=0.3, lut=smooth_lut(shaper=shaper_of(1, 2, 0.7))),
    "everything": GradeRecipe(
        exposure_stops=0.7,
        temperature_mired=30,
        tint=-15,
        contrast=1.2,
        cdl=CDL,
        lut=smooth_lut(shaper=shaper_of(1, 2, 0.7)),
        interpolation="trilinear",
        intensity=0.8,
    ),
}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(("dtype", "peak"), PEAKS)
def test_one_pass_equals_stage_by_stage(name, dtype, peak):
    pixels = picture(dtype)
    expected = stage_by_stage(RECIPES[name], pixels.astype(np.float64) / peak) * peak
    graded = compile_grade(RECIPES[name]).apply(pixels)
    assert graded.dtype == dtype
    if peak > 1:
        expected = np.clip(expected, 0, peak)
    # Half a code of rounding, and what float32 loses of 16 bits on the way.
    assert np.abs(graded - expected).max() <= {255: 0.501, 65535: 0.6, 1: 4e-6}[peak]


@pytest.mark.parametrize(("dtype", "peak"), PEAKS)
@pytest.mark.parametrize(
    "recipe", [GradeRecipe(), GradeRecipe(contrast=2, intensity=0), GradeRecipe(pivot=0.9)]
)
def test_a_neutral_grade_keeps_every_bit(dtype, peak, recipe):
    pixels = picture(dtype, channels=4)
    if peak == 1:
        pixels[:2, :2] = [[[np.nan] * 4, [-3] * 4], [[np.inf] * 4, [7] * 4]]
    graded = compile_grade(recipe).apply(pixels)
    assert graded is not pixels
    assert graded.tobytes() == pixels.tobytes()


def test_exposure_doubles_the_light():
    def light(v):
        return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)

    pixels = np.linspace(0, 0.9, 300, dtype=np.float32).reshape(1, 100, 3)
    brighter = compile_grade(GradeRecipe(exposure_stops=1)).apply(pixels)
    np.testing.assert_allclose(light(brighter), 2 * light(pixels), rtol=1e-5, atol=1e-7)
    back = compile_grade(GradeRecipe(exposure_stops=-1)).apply(brighter)
    np.testing.assert_allclose(back, pixels, atol=1e-6)


def test_float_pixels_outside_the_unit_range_are_mirrored_and_extended():
    grade = compile_grade(GradeRecipe(exposure_stops=1))
    above = grade.apply(np.full((1, 1, 3), 2, np.float32))
    assert above[0, 0, 0] > 2
    sides = grade.apply(np.array([[[-0.5, 0.5, 0]]], np.float32))[0, 0]
    assert sides[0] == -sides[1]
    assert sides[2] == 0


@pytest.mark.parametrize("recipe", [STRONG, GradeRecipe(lut=smooth_lut(), cdl=CDL)])
def test_pixels_that_are_not_numbers_pass_safely(recipe):
    pixels = picture(np.float32)
    pixels[3, 4] = np.nan
    pixels[5, 6] = np.inf
    graded = compile_grade(recipe).apply(pixels)
    clean = np.ones(pixels.shape[:2], bool)
    clean[3, 4] = clean[5, 6] = False
    assert np.isfinite(graded).all()
    zeroed = np.where(np.isfinite(pixels), pixels, 0)
    np.testing.assert_array_equal(graded[clean], compile_grade(recipe).apply(zeroed)[clean])


def test_cdl_matches_opencolorio():
    transform = ocio.CDLTransform(
        slope=list(CDL.slope), offset=list(CDL.offset), power=list(CDL.power), sat=CDL.saturation
    )
    transform.setStyle(ocio.CDL_ASC)
    processor = ocio.Config.CreateRaw().getProcessor(transform)
    expected = picture(np.float32)
    processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS).applyRGB(expected)
    graded = compile_grade(GradeRecipe(cdl=CDL)).apply(picture(np.float32))
    assert np.abs(graded - expected).max() < 1 / 65535


def test_contrast_turns_about_its_pivot():
    grade = compile_grade(GradeRecipe(contrast=2, pivot=0.25))
    graded = grade.apply(np.array([[[0.25, 0.5, 0]]], np.float32))
    np.testing.assert_allclose(graded[0, 0], [0.25, 0.75, -0.25], atol=1e-7)


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_white_balance_keeps_luminance_and_stays_positive(temperature, tint):
    gains = np.array(white_balance_gains(temperature, tint))
    assert (gains > 0).all()
    assert gains @ [0.2126, 0.7152, 0.0722] == pytest.approx(1)


def test_white_balance_directions():
    assert white_balance_gains(0, 0) == pytest.approx((1, 1, 1))
    warm = white_balance_gains(40, 0)
    assert warm[0] > 1 > warm[2]
    magenta = white_balance_gains(0, 50)
    assert magenta[1] < 1 < min(magenta[0], magenta[2])


@pytest.mark.parametrize(
    ("kelvin", "x", "y"),
    [
        (4000, 0.3805, 0.3768),
        (5000, 0.3451, 0.3516),
        (6500, 0.3135, 0.3237),
        (9000, 0.2869, 0.2956),
    ],
)
def test_the_planckian_locus(kelvin, x, y):
    # Chromaticities of black bodies under the CIE 1931 observer.
    scale = -2 * x + 12 * y + 3
    np.testing.assert_allclose(
        planckian_uv(1e6 / kelvin), [4 * x / scale, 6 * y / scale], atol=2e-4
    )


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"exposure_stops": 11}, "exposure"),
        ({"exposure_stops": float("nan")}, "exposure"),
        ({"temperature_mired": 101}, "temperature"),
        ({"tint": -101}, "tint"),
        ({"contrast": -1}, "contrast"),
        ({"pivot": 2}, "pivot"),
        ({"intensity": -0.1}, "intensity"),
        ({"interpolation": "cubic"}, "interpolation"),
    ],
)
def test_values_out_of_range_are_refused(arguments, field):
    with pytest.raises(InvalidParameter) as caught:
        GradeRecipe(**arguments)
    assert caught.value.field == field


def test_a_cdl_out_of_range_is_refused():
    with pytest.raises(InvalidParameter) as caught:
        Cdl(power=(1, 0, 1))
    assert caught.value.field == "cdl.power"


def test_a_recipe_that_is_only_a_lut_gives_it_back():
    lut = smooth_lut(17, title="Mine")
    recipe = GradeRecipe(lut=lut)
    assert bake(recipe) is lut
    assert cube_max_error(recipe, lut) == 0


def test_a_lut_only_mixed_is_baked_at_its_own_points():
    lut = smooth_lut(17, domain_min=(-0.5,) * 3, domain_max=(1.5,) * 3)
    recipe = GradeRecipe(lut=lut, intensity=0.3)
    baked = bake(recipe)
    assert baked.table is not None
    assert baked.table.shape == (17, 17, 17, 3)
    assert cube_max_error(recipe, baked) < 1e-6


@pytest.mark.parametrize("name", ["exposure", "white balance", "contrast", "curves", "mixed"])
def test_baked_cubes_stand_for_the_grade(name):
    baked = bake(RECIPES[name], 33)
    assert cube_max_error(RECIPES[name], baked) < 1 / 100
    again = parse_cube(format_cube(baked))
    pixels = picture(np.uint16)
    graded = compile_grade(RECIPES[name]).apply(pixels).astype(float)
    assert np.abs(apply_lut(pixels, again) - graded).max() < 65535 / 100


def test_a_shaper_is_used_where_it_helps():
    recipe = GradeRecipe(exposure_stops=3)
    baked = bake(recipe, 17)
    assert baked.shaper is not None
    axis = np.linspace(0, 1, 17, dtype=np.float32)
    b, g, r = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([r, g, b], axis=-1).reshape(17, -1, 3)
    plain = Lut(table=compile_grade(recipe).apply(points).reshape(17, 17, 17, 3))
    assert cube_max_error(recipe, baked) < cube_max_error(recipe, plain) / 2


def test_a_finer_cube_is_closer():
    errors = [cube_max_error(STRONG, bake(STRONG, size)) for size in (17, 33, 65)]
    assert errors[0] > errors[1] > errors[2]


def test_the_measure_sees_one_wrong_point():
    lut = smooth_lut(17)
    assert lut.table is not None
    spoilt = lut.table.copy()
    spoilt[8, 3, 12, 1] += 0.1
    assert cube_max_error(GradeRecipe(lut=lut), Lut(table=spoilt)) > 0.05


@pytest.mark.parametrize("size", [1, 130])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(InvalidParameter):
        bake(STRONG, size)


@settings(max_examples=25, deadline=None)
@given(
    exposure=st.floats(-4, 4),
    contrast=st.floats(0, 4),
    saturation=st.floats(0, 4),
    power=st.floats(0.1, 8),
    intensity=st.floats(0, 1),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
)
def test_any_grade_of_any_depth_is_the_same_grade(
    exposure, contrast, saturation, power, intensity, dtype
):
    cdl = Cdl(power=(power, 1.0, 1.5), saturation=saturation)
    recipe = GradeRecipe(exposure_stops=exposure, contrast=contrast, cdl=cdl, intensity=intensity)
    peak = dict(PEAKS)[dtype]
    pixels = picture(dtype)
    graded = compile_grade(recipe).apply(pixels)
    expected = np.clip(stage_by_stage(recipe, pixels.astype(np.float64) / peak), 0, 1) * peak
    tolerance = {255: 0.52, 65535: 3, 1: 3e-5}[peak]
    assert np.abs(graded - expected).max() <= tolerance
