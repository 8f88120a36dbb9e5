"""LUT files are read by the helper: what it hands over, and what it refuses."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from seed_media import seed

from studio_pipelines.errors import MediaTooLarge, UnsupportedMedia, UnusableMedia
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.limits import MIB, MediaLimits
from studio_pipelines.media.lut_formats import format_cube, parse_cube
from studio_pipelines.media.lut_table import Lut
from studio_pipelines.media.lut_text_formats import parse_3dl, parse_csp

PARSERS = {"cube": parse_cube, "3dl": parse_3dl, "csp": parse_csp}
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(limits=MediaLimits(decode_timeout_s=20)) as decoder:
        yield decoder


def same(first: Lut, second: Lut) -> bool:
    ends = ("domain_min", "domain_max", "shaper_min", "shaper_max", "title")
    tables = [(first.table, second.table), (first.shaper, second.shaper)]
    return all(getattr(first, end) == getattr(second, end) for end in ends) and all(
        a is b if a is None or b is None else np.array_equal(a, b) for a, b in tables
    )


@pytest.mark.parametrize("kind", PARSERS)
def test_the_helper_hands_over_what_the_file_holds(decoder: Decoder, kind: str) -> None:
    data = seed(kind)
    assert same(decoder.lut(data), PARSERS[kind](data))


@settings(max_examples=40, deadline=None)
@given(
    table=st.none() | hnp.arrays(np.float32, (3, 3, 3, 3), elements=FINITE),
    shaper=hnp.arrays(np.float32, (5, 3), elements=FINITE),
    low=st.floats(-10, 0),
    title=st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=8),
)
def test_tables_ranges_and_titles_come_over_whole(decoder, table, shaper, low, title) -> None:
    lut = Lut(table=table, shaper=shaper, shaper_min=(low,) * 3, title=title)
    assert same(decoder.lut(format_cube(lut)), lut)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", UnusableMedia, "empty"),
        (seed("png"), UnsupportedMedia, "is not a look-up table that can be read: it is a PNG"),
        (b"LUT_3D_SIZE 2\n0 0 0\n", UnusableMedia, "must hold 8 rows of numbers; it holds 1"),
        (b"LUT_3D_SIZE 300\n", UnusableMedia, "LUT_3D_SIZE is 300"),
        (b"LUT_1D_SIZE 2\n0 0 0\n1 1 nan\n", UnusableMedia, "Line 3"),
        (b"CSPLUTV100\n4D\n", UnusableMedia, "1D or 3D"),
        (b"CSPLUTV100\n" + bytes(17 * MIB), MediaTooLarge, "at most 16,777,216 are allowed"),
    ],
)
def test_refusals_name_the_field_and_keep_the_helper(
    decoder: Decoder, data: bytes, error: type[UnusableMedia], words: str
) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    with pytest.raises(error, match=words) as caught:
        decoder.lut(data, field="lut")
    assert caught.value.field == "lut"
    assert caught.value.hint or error is UnusableMedia
    assert decoder.helper_pid == pid


ROW = b"0.123456 0.234567 0.345678\n"
EDGE_64 = b"LUT_3D_SIZE 64\n" + ROW * 64**3
LARGE = b"LUT_3D_SIZE 128\n" + ROW * 128**3
LONG = seed("cube") + b"#" + bytes(120 * MIB).replace(b"\0", b"-")


@pytest.mark.parametrize(
    ("limits", "data", "error", "words"),
    [
        (MediaLimits(helper_memory_bytes=640 * MIB), LONG, UnusableMedia, "too much memory"),
        (MediaLimits(max_decoded_bytes=MIB), EDGE_64, MediaTooLarge, "no room"),
        (MediaLimits(max_lut_bytes=MIB), LARGE, MediaTooLarge, "at most 1,048,576"),
    ],
)
def test_what_needs_too_much_costs_the_helper_at_most(
    limits: MediaLimits, data: bytes, error: type[UnusableMedia], words: str
) -> None:
    with Decoder(limits=limits) as decoder:
        with pytest.raises(error, match=words):
            decoder.lut(data)
        assert decoder.lut(seed("cube")).table is not None


def test_what_takes_too_long_is_ended() -> None:
    with Decoder(limits=MediaLimits(decode_timeout_s=0.1)) as decoder:
        decoder.warm()
        with pytest.raises(MediaTooLarge, match=r"longer than 0\.1 s"):
            decoder.lut(LARGE)
        assert decoder.helper_pid is None
