import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.hald import lut_from_hald
from studio_pipelines.media.lut_formats import format_cube, parse_cube
from studio_pipelines.media.lut_table import Lut

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
IDENTITY_ROWS = [f"{r} {g} {b}" for b in (0, 1) for g in (0, 1) for r in (0, 1)]
IDENTITY = "LUT_3D_SIZE 2\n" + "\n".join(IDENTITY_ROWS) + "\n"


def refusal(text: str | bytes) -> str:
    with pytest.raises(UnusableMedia) as caught:
        parse_cube(text.encode() if isinstance(text, str) else text)
    assert caught.value.field == "lut"
    return caught.value.message


def test_red_runs_fastest():
    table = parse_cube(IDENTITY.encode()).table
    assert table is not None
    assert table[0, 0, 1].tolist() == [1, 0, 0]
    assert table[1, 0, 0].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "text",
    [
        IDENTITY.replace("\n", "\r\n"),
        IDENTITY.replace("\n", "\r"),
        "\ufeff" + IDENTITY,
        IDENTITY.replace(" ", "\t"),
        IDENTITY.replace("\n", "   \n\n"),
        "# made by hand\n" + IDENTITY.replace("\n1 0 0\n", "\n# a comment\n1 0 0\n"),
        IDENTITY.rstrip("\n"),
        IDENTITY.replace("1 0 0", "1.0e0 0E+3 -0.0"),
        IDENTITY.replace("1 0 0", "+1. .0 00.000"),
    ],
)
def test_ways_of_writing_the_same_cube(text: str):
    parsed, plain = parse_cube(text.encode()), parse_cube(IDENTITY.encode())
    np.testing.assert_array_equal(parsed.table, plain.table)


def test_resolve_shaper_and_ranges():
    text = (
        "TITLE \"Warm 'n' soft\"\nLUT_1D_SIZE 3\nLUT_1D_INPUT_RANGE -0.5 1.5\n"
        "LUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE 0 2\n0 0 0\n1 1 1\n2 2 2\n" + "\n".join(IDENTITY_ROWS)
    )
    lut = parse_cube(text.encode())
    assert lut.title == "Warm 'n' soft"
    assert lut.shaper is not None
    assert lut.shaper[:, 0].tolist() == [0, 1, 2]
    assert (lut.shaper_min, lut.shaper_max) == ((-0.5,) * 3, (1.5,) * 3)
    assert (lut.domain_min, lut.domain_max) == ((0,) * 3, (2,) * 3)


def test_adobe_domain_by_channel():
    lut = parse_cube(("DOMAIN_MIN -1 0 0.5\nDOMAIN_MAX 1 2 3\n" + IDENTITY).encode())
    assert lut.domain_min == (-1, 0, 0.5)
    assert lut.domain_max == (1, 2, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not text"),
        (b"\xff\xd8\xff\xe0 LUT", "not text"),
        ("0 0 0\n1 1 1\n", "no LUT_1D_SIZE or LUT_3D_SIZE"),
        ("LUT_3D_SIZE 1\n0 0 0\n", "LUT_3D_SIZE is 1; it must be 2 to 256"),
        ("LUT_3D_SIZE 257\n0 0 0\n", "LUT_3D_SIZE is 257"),
        ("LUT_1D_SIZE 65537\n0 0 0\n", "LUT_1D_SIZE is 65537"),
        ("LUT_3D_SIZE 2.5\n", "whole number"),
        ("LUT_3D_SIZE two\n", "Line 1"),
        ("LUT_3D_SIZE 2\nLUT_3D_SIZE 2\n", "Line 2 of the .cube file gives LUT_3D_SIZE a second"),
        (IDENTITY.replace("1 1 1\n", ""), "must hold 8 rows of numbers; it holds 7"),
        (IDENTITY + "1 1 1\n1 1 1\n", "must hold 8 rows of numbers; it holds 10"),
        (IDENTITY.replace("1 0 0", "1 0"), "Line 3 of the .cube file does not hold exactly three"),
        (IDENTITY.replace("1 0 0", "1 0 0 0"), "Line 3"),
        (IDENTITY.replace("1 0 0", "1 nan 0"), "Line 3 of the .cube file holds something that is"),
        (IDENTITY.replace("1 0 0", "1 inf 0"), "Line 3"),
        (IDENTITY.replace("1 0 0", "1 0x1 0"), "Line 3"),
        (IDENTITY.replace("1 0 0", "1 1e 0"), "Line 3"),
        (IDENTITY.replace("1 0 0", "1 1,5 0"), "Line 3"),
        (IDENTITY.replace("1 0 0", "1 1e99 0"), "not a finite number"),
        ("DOMAIN_MIN 0 0 0\nLUT_3D_INPUT_RANGE 0 1\n" + IDENTITY, "both a DOMAIN and an INPUT"),
        ("DOMAIN_MIN 0 1 0\n" + IDENTITY, "each maximum must be above its minimum"),
        ("DOMAIN_MIN 0 0\n" + IDENTITY, "takes 3 numbers"),
        ("DOMAIN_MAX 1 1 inf\n" + IDENTITY, "takes 3 numbers"),
        ("LUT_1D_INPUT_RANGE 0 1\n" + IDENTITY, "has no such table"),
        ("LUT_IN_VIDEO_RANGE\n" + IDENTITY, "video-range"),
        ("LUT_4D_SIZE 2\n" + IDENTITY, "unknown word 'LUT_4D_SIZE'"),
        (IDENTITY.replace("1 0 0\n", "1 0 0\nDOMAIN_MIN 0 0 0\n"), "Line 4"),
    ],
)
def test_refusals_say_what_is_wrong(text: str | bytes, words: str):
    assert words in refusal(text)


@settings(max_examples=60, deadline=None)
@given(
    table=hnp.arrays(np.float32, (3, 3, 3, 3), elements=FINITE)
    | hnp.arrays(np.float32, (2, 2, 2, 3), elements=FINITE),
    shaper=st.none() | hnp.arrays(np.float32, (5, 3), elements=FINITE),
    low=st.floats(-10, 0),
    width=st.floats(0.01, 10),
    title=st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=8),
)
def test_a_cube_file_gives_back_the_same_lut(table, shaper, low, width, title):
    lut = Lut(
        table=table,
        shaper=shaper,
        domain_min=(low,) * 3,
        domain_max=(low + width,) * 3,
        title=title,
    )
    again = parse_cube(format_cube(lut))
    np.testing.assert_array_equal(again.table, table)
    assert (again.shaper is None) == (shaper is None)
    if shaper is not None:
        np.testing.assert_array_equal(again.shaper, shaper)
    assert (again.domain_min, again.domain_max) == (lut.domain_min, lut.domain_max)
    assert again.title == title


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.decimals(-(10**6), 10**6, places=12) | st.floats(-1e6, 1e6), min_size=6, max_size=6)
)
def test_numbers_read_as_python_reads_them(numbers):
    words = [str(number) for number in numbers]
    text = f"LUT_1D_SIZE 2\n{' '.join(words[:3])}\n{' '.join(words[3:])}\n"
    shaper = parse_cube(text.encode()).shaper
    assert shaper is not None
    expected = np.array([float(word) for word in words])
    np.testing.assert_allclose(shaper.ravel(), expected, rtol=6.1e-8, atol=1e-44)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="LUT_3DSIZE12 .-+e#\n\t", max_size=80))
def test_any_bytes_are_a_lut_or_a_plain_refusal(data):
    raw = data if isinstance(data, bytes) else b"LUT_1D_SIZE 2\n" + data.encode()
    with contextlib.suppress(UnusableMedia):
        assert isinstance(parse_cube(raw), Lut)


def test_a_large_cube_is_read_whole():
    table = np.random.default_rng(5).random((129, 129, 129, 3), dtype=np.float32)
    np.testing.assert_array_equal(parse_cube(format_cube(Lut(table=table))).table, table)


@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_hald_identity(dtype, peak):
    edge = 4
    axis = np.linspace(0, 1, edge)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    cube = np.stack([red, green, blue], axis=-1).astype(np.float32)
    hald = np.round(cube * peak).astype(dtype) if peak > 1 else cube
    lut = lut_from_hald(hald.reshape(8, 8, 3))
    np.testing.assert_allclose(lut.table, cube, atol=0.5 / 255)
    assert lut.table is not None
    assert lut.table[0, 0, 3].tolist() == [1, 0, 0]


@pytest.mark.parametrize("shape", [(8, 9, 3), (9, 9, 3), (1, 1, 3), (8, 8, 1)])
def test_hald_of_a_wrong_shape_is_refused(shape):
    with pytest.raises(UnusableMedia) as caught:
        lut_from_hald(np.zeros(shape, np.uint8))
    assert caught.value.field == "lut"
