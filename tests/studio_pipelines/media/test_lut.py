from pathlib import Path

import numpy as np
import PyOpenColorIO as ocio  # noqa: N813
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.lut import apply_lut
from studio_pipelines.media.lut_formats import format_cube
from studio_pipelines.media.lut_table import Lut

DEPTHS = {
    "uint8": (ocio.BIT_DEPTH_UINT8, 255),
    "uint16": (ocio.BIT_DEPTH_UINT16, 65535),
    "float32": (ocio.BIT_DEPTH_F32, 1),
}
PEAKS = [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)]


def random_lut(edge: int, seed: int = 0, **kwargs) -> Lut:
    rng = np.random.default_rng(seed)
    return Lut(table=rng.random((edge, edge, edge, 3), dtype=np.float32), **kwargs)


def identity_lut(edge: int, **kwargs) -> Lut:
    axis = np.linspace(0, 1, edge, dtype=np.float32)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    return Lut(table=np.stack([red, green, blue], axis=-1), **kwargs)


def picture(dtype, channels: int = 3, seed: int = 1, size: tuple[int, int] = (97, 131)):
    rng = np.random.default_rng(seed)
    if dtype == np.float32:
        return (rng.random((*size, channels)) * 1.4 - 0.2).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max + 1, (*size, channels), dtype=dtype)


def through_ocio(pixels, lut: Lut, folder: Path, interpolation=ocio.INTERP_TETRAHEDRAL):
    path = folder / "lut.cube"
    path.write_bytes(format_cube(lut))
    ocio.ClearAllCaches()
    return transformed(pixels, ocio.FileTransform(src=str(path), interpolation=interpolation))


def transformed(pixels, transform):
    depth, _ = DEPTHS[pixels.dtype.name]
    processor = ocio.Config.CreateRaw().getProcessor(transform)
    cpu = processor.getOptimizedCPUProcessor(depth, depth, ocio.OPTIMIZATION_LOSSLESS)
    out = np.empty_like(pixels)
    height, width, channels = pixels.shape
    item = pixels.itemsize
    strides = (item, channels * item, channels * item * width)
    images = [
        ocio.PackedImageDesc(each, width, height, channels, depth, *strides)
        for each in (pixels, out)
    ]
    cpu.apply(*images)
    return out


def worst(a, b) -> float:
    return float(np.abs(a.astype(np.float64) - b).max())


@pytest.mark.parametrize("edge", [2, 17, 33, 65, 129])
@pytest.mark.parametrize(("dtype", "peak"), PEAKS)
def test_random_cubes_match_opencolorio(tmp_path, edge, dtype, peak):
    pixels, lut = picture(dtype), random_lut(edge)
    difference = worst(apply_lut(pixels, lut), through_ocio(pixels, lut, tmp_path))
    assert difference <= (1 if peak > 1 else 1 / 65535)


@settings(max_examples=200, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(
    edge=st.integers(2, 33) | st.sampled_from([64, 65]),
    roughness=st.floats(0, 1),
    kind=st.sampled_from(PEAKS),
    channels=st.sampled_from([3, 4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_cube_matches_opencolorio(edge, roughness, kind, channels, seed):
    dtype, peak = kind
    table = (1 - roughness) * identity_lut(edge).table + roughness * random_lut(edge, seed).table
    table = table.astype(np.float32)
    transform = ocio.Lut3DTransform(edge)
    transform.setInterpolation(ocio.INTERP_TETRAHEDRAL)
    transform.setData(table.transpose(2, 1, 0, 3).ravel())  # OpenColorIO's blue runs fastest
    pixels = picture(dtype, channels, seed=seed, size=(31, 67))
    difference = worst(apply_lut(pixels, Lut(table=table)), transformed(pixels, transform))
    assert difference <= (1 if peak > 1 else 1 / 65535)


@pytest.mark.parametrize("edge", [17, 33, 65, 129])
@pytest.mark.parametrize(("dtype", "peak"), PEAKS)
def test_domains_match_opencolorio(tmp_path, edge, dtype, peak):
    pixels = picture(dtype, channels=4)
    lut = random_lut(edge, domain_min=(-0.5, 0.1, 0.0), domain_max=(1.5, 0.9, 2.0))
    difference = worst(apply_lut(pixels, lut), through_ocio(pixels, lut, tmp_path))
    assert difference <= (1 if peak > 1 else 1 / 65535)


def in_double_precision(pixels, lut: Lut, peak: int):
    """Return what the LUT means, in code values: textbook arithmetic on float64."""
    x = pixels.astype(np.float64) / peak
    last = len(lut.shaper) - 1
    for c in range(3):
        low, high = lut.shaper_min[c], lut.shaper_max[c]
        position = np.clip((x[..., c] - low) / (high - low), 0, 1) * last
        x[..., c] = np.interp(position, np.arange(last + 1), lut.shaper[:, c].astype(np.float64))
    edge = len(lut.table)
    position = np.clip(x, 0, 1) * (edge - 1)
    point = np.minimum(np.floor(position).astype(int), edge - 2)
    fraction = position - point
    order = np.argsort(-fraction, axis=-1, kind="stable")
    steps = np.take_along_axis(fraction, order, -1)
    ends = np.ones((*x.shape[:2], 1)), np.zeros((*x.shape[:2], 1))
    weights = -np.diff(np.concatenate([ends[0], steps, ends[1]], axis=-1), axis=-1)
    total = np.zeros_like(x)
    for k in range(4):
        r, g, b = np.moveaxis(point, -1, 0)
        total += weights[..., k : k + 1] * lut.table[b, g, r]
        if k < 3:
            axis = order[..., k : k + 1]
            np.put_along_axis(point, axis, np.take_along_axis(point, axis, -1) + 1, -1)
    return total * peak


@pytest.mark.parametrize("edge", [17, 33, 65, 129])
@pytest.mark.parametrize(("dtype", "peak"), PEAKS)
def test_smooth_shapers_match_opencolorio(tmp_path, edge, dtype, peak):
    curve = np.linspace(0, 1, 1024, dtype=np.float32)
    shaper = np.stack([curve**0.5, curve**0.8, curve**1.5], axis=-1)
    lut = random_lut(edge, shaper=shaper)
    pixels = picture(dtype)
    difference = worst(apply_lut(pixels, lut), through_ocio(pixels, lut, tmp_path))
    assert difference <= (1 if peak > 1 else 1 / 65535)


@pytest.mark.parametrize("edge", [33, 129])
@pytest.mark.parametrize(("dtype", "peak"), PEAKS)
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.1, 1.1)])
def test_steep_shapers_are_as_exact_as_opencolorio(tmp_path, edge, dtype, peak, low, high):
    # A random shaper into a random cube enlarges float32's own rounding past 1/65535.
    shaper = np.sort(np.random.default_rng(2).random((1000, 3), dtype=np.float32), axis=0)
    lut = random_lut(edge, shaper=shaper, shaper_min=(low,) * 3, shaper_max=(high,) * 3)
    pixels = picture(dtype)
    exact = in_double_precision(pixels, lut, peak)
    peer = worst(through_ocio(pixels, lut, tmp_path), exact)
    assert worst(apply_lut(pixels, lut), exact) <= 1.05 * peer


@pytest.mark.parametrize(("dtype", "peak"), PEAKS)
def test_one_dimensional_luts_match_opencolorio(tmp_path, dtype, peak):
    lut = Lut(shaper=np.random.default_rng(2).random((33, 3), dtype=np.float32))
    pixels = picture(dtype)
    difference = worst(apply_lut(pixels, lut), through_ocio(pixels, lut, tmp_path))
    assert difference <= (1 if peak > 1 else 1 / 65535)


def test_trilinear_matches_opencolorio(tmp_path):
    pixels, lut = picture(np.float32), random_lut(17)
    expected = through_ocio(pixels, lut, tmp_path, ocio.INTERP_LINEAR)
    assert worst(apply_lut(pixels, lut, interpolation="trilinear"), expected) <= 1 / 65535


def test_nearest_takes_the_closest_point():
    pixels, lut = np.clip(picture(np.float32), 0, 1), random_lut(9)
    r, g, b = np.moveaxis(np.floor(pixels * np.float32(8) + np.float32(0.5)).astype(int), -1, 0)
    assert lut.table is not None
    np.testing.assert_array_equal(
        apply_lut(pixels, lut, interpolation="nearest"), lut.table[b, g, r]
    )


@pytest.mark.parametrize("interpolation", ["tetrahedral", "trilinear"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("edge", [2, 17, 33, 64])
def test_the_identity_keeps_every_code(interpolation, dtype, edge):
    codes = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 256)
    pixels = np.stack([codes, codes[::-1], np.roll(codes, 7, axis=1)], axis=-1)
    np.testing.assert_array_equal(
        apply_lut(pixels, identity_lut(edge), interpolation=interpolation), pixels
    )


@pytest.mark.parametrize(("dtype", "peak"), PEAKS)
def test_alpha_is_untouched(dtype, peak):
    pixels = picture(dtype, channels=4)
    graded = apply_lut(pixels, random_lut(17), intensity=0.4)
    np.testing.assert_array_equal(graded[..., 3], pixels[..., 3])
    opaque = apply_lut(np.ascontiguousarray(pixels[..., :3]), random_lut(17), intensity=0.4)
    np.testing.assert_array_equal(graded[..., :3], opaque)


@pytest.mark.parametrize(("dtype", "peak"), PEAKS)
@pytest.mark.parametrize(("mask_type", "full"), PEAKS)
def test_the_mask_weighs_the_grade(dtype, peak, mask_type, full):
    pixels, lut = picture(dtype), random_lut(5)
    weights = np.random.default_rng(4).choice([0, 0.25, 0.5, 1], pixels.shape[:2])
    mask = (weights * full).astype(mask_type)
    masked, graded = apply_lut(pixels, lut, mask=mask), apply_lut(pixels, lut)
    np.testing.assert_array_equal(masked[mask == 0], pixels[mask == 0])
    np.testing.assert_array_equal(masked[mask == full], graded[mask == full])
    share = (mask.astype(np.float64) / full)[..., None]
    exact = apply_lut((pixels / np.float32(peak)).astype(np.float32), lut)
    expected = pixels * (1 - share) + exact.astype(np.float64) * peak * share
    assert worst(masked, expected) <= (0.51 if peak > 1 else 1e-6)


def test_intensity_is_a_mix():
    pixels, lut = picture(np.float32), random_lut(17)
    expected = 0.7 * pixels + 0.3 * apply_lut(pixels, lut)
    assert worst(apply_lut(pixels, lut, intensity=0.3), expected) < 1e-6
    np.testing.assert_array_equal(apply_lut(pixels, lut, intensity=0), pixels)


def test_not_a_number_and_infinity_read_as_the_ends():
    lut = random_lut(17)
    pixels = np.array([[[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3]], np.float32)
    assert lut.table is not None
    expected = [lut.table[0, 0, 0], lut.table[-1, -1, -1], lut.table[0, 0, 0]]
    for interpolation in ("tetrahedral", "trilinear", "nearest"):
        graded = apply_lut(pixels, lut, interpolation=interpolation)
        np.testing.assert_array_equal(graded[0], expected)


def test_float_results_may_leave_the_unit_range():
    lut = Lut(table=identity_lut(5).lattice[:, :3].reshape(5, 5, 5, 3) * 3 - 1)
    graded = apply_lut(np.array([[[0, 0.5, 1]]], np.float32), lut)
    np.testing.assert_allclose(graded[0, 0], [-1, 0.5, 2], atol=1e-6)
    integers = apply_lut(np.array([[[0, 128, 255]]], np.uint8), lut)
    assert integers.tolist() == [[[0, 129, 255]]]


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(0, 40),
    width=st.integers(0, 700),
    channels=st.sampled_from([3, 4]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    threads=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_layout_and_threads_do_not_matter(height, width, channels, dtype, threads, seed):
    lut = random_lut(7)
    wide = picture(dtype, channels, seed, (height, width + 3))
    plain = apply_lut(np.ascontiguousarray(wide[:, 2:-1]), lut, intensity=0.6, threads=1)
    target = np.zeros((height, width + 3, channels), dtype)[:, 1:-2]
    assert apply_lut(wide[:, 2:-1], lut, intensity=0.6, out=target, threads=threads) is target
    np.testing.assert_array_equal(target, plain)
    in_place = wide.copy()
    apply_lut(in_place, lut, intensity=0.6, out=in_place, threads=threads)
    np.testing.assert_array_equal(in_place[:, 2:-1], plain)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"interpolation": "cubic"}, "interpolation"),
        ({"intensity": 1.5}, "intensity"),
        ({"intensity": float("nan")}, "intensity"),
        ({"mask": np.zeros((3, 4), np.uint8)}, "mask"),
        ({"mask": np.zeros((4, 4), np.int32)}, "mask"),
        ({"threads": 0}, "threads"),
        ({"out": np.zeros((4, 4, 4), np.uint8)}, None),
    ],
)
def test_what_does_not_fit_is_refused(arguments, field):
    with pytest.raises(InvalidParameter) as caught:
        apply_lut(np.zeros((4, 4, 3), np.uint8), identity_lut(2), **arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_unfit_pictures_are_refused(pixels):
    with pytest.raises(InvalidParameter) as caught:
        apply_lut(pixels, identity_lut(2))
    assert caught.value.field == "image"
