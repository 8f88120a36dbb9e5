from pathlib import Path

import numpy as np
import PyOpenColorIO as ocio  # noqa: N813  the name its own documents use
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.lut import apply_lut
from studio_pipelines.media.lut_text_formats import parse_3dl, parse_csp
from studio_pipelines.media.sniff import Media, sniff

RNG = np.random.default_rng(4)


def text_of_3dl(edge: int = 17, peak: int = 4095) -> str:
    levels = " ".join(str(round(k * 1023 / (edge - 1))) for k in range(edge))
    rows = RNG.integers(0, peak + 1, (edge**3, 3))
    rows[-1] = peak
    return (
        f"# made by hand\n3DMESH\n{levels}\n"
        + "\n".join(" ".join(map(str, r)) for r in rows)
        + "\n"
    )


def text_of_csp(edge: int = 9, curve: str = "2\n0.0 1.0\n0.0 1.0\n") -> str:
    rows = RNG.random((edge**3, 3))
    body = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in rows)
    head = "CSPLUTV100\n3D\n\nBEGIN METADATA\nmade by hand\nEND METADATA\n\n"
    return f"{head}{curve * 3}\n{edge} {edge} {edge}\n{body}\n"


def through_ocio(text: str, suffix: str, folder: Path, pixels: np.ndarray) -> np.ndarray:
    path = folder / f"lut{suffix}"
    path.write_text(text)
    ocio.ClearAllCaches()
    transform = ocio.FileTransform(src=str(path), interpolation=ocio.INTERP_TETRAHEDRAL)
    values = pixels.copy()
    processor = ocio.Config.CreateRaw().getProcessor(transform)
    processor.getDefaultCPUProcessor().applyRGB(values)
    return values


@pytest.mark.parametrize(("edge", "peak"), [(17, 4095), (33, 1023), (5, 65535)])
def test_a_3dl_is_what_opencolorio_reads(tmp_path, edge, peak):
    text = text_of_3dl(edge, peak)
    pixels = RNG.random((40, 50, 3), dtype=np.float32)
    expected = through_ocio(text, ".3dl", tmp_path, pixels)
    np.testing.assert_allclose(apply_lut(pixels, parse_3dl(text.encode())), expected, atol=2e-5)


@pytest.mark.parametrize("curve", ["2\n0.0 1.0\n0.0 1.0\n", "2\n-0.5 2.0\n0.0 1.0\n"])
def test_a_csp_is_what_opencolorio_reads(tmp_path, curve):
    text = text_of_csp(curve=curve)
    pixels = RNG.random((40, 50, 3), dtype=np.float32)
    expected = through_ocio(text, ".csp", tmp_path, pixels)
    np.testing.assert_allclose(apply_lut(pixels, parse_csp(text.encode())), expected, atol=2e-5)


def test_an_input_curve_of_many_points(tmp_path):
    x = np.linspace(0, 2, 200)
    curve = (
        f"200\n{' '.join(f'{v:.8f}' for v in x)}\n{' '.join(f'{v:.8f}' for v in (x / 2) ** 0.6)}\n"
    )
    axis = np.linspace(0, 1, 9)
    cells = [(r, g, b) for b in axis for g in axis for r in axis]
    body = "\n".join(" ".join(f"{v:.6f}" for v in cell) for cell in cells)
    text = f"CSPLUTV100\n3D\n{curve * 3}\n9 9 9\n{body}\n"
    pixels = RNG.random((40, 50, 3), dtype=np.float32) * np.float32(1.9) + np.float32(0.1)
    expected = through_ocio(text, ".csp", tmp_path, pixels)
    np.testing.assert_allclose(apply_lut(pixels, parse_csp(text.encode())), expected, atol=2e-3)


def test_a_csp_of_one_dimension():
    rows = "\n".join(f"{v} {v * 0.5} 1" for v in np.linspace(0, 1, 11))
    lut = parse_csp(f"CSPLUTV100\n1D\n2\n0 1\n0 1\n0\n0\n11\n{rows}\n".encode())
    graded = apply_lut(np.array([[[0.25, 0.5, 0.7]]], np.float32), lut)
    np.testing.assert_allclose(graded[0, 0], [0.25, 0.25, 1], atol=1e-5)


def test_they_are_told_by_their_content():
    for text, suffix in ((text_of_3dl(5), ".3dl"), (text_of_csp(5), ".csp")):
        found = sniff(text.encode()[:4096])
        assert found is not None
        assert (found.kind, found.suffix) == (Media.LUT, suffix)
    assert sniff(b"1 2 3\nsome notes\n") is None


GOOD_3DL, GOOD_CSP = text_of_3dl(3), text_of_csp(3)
BROKEN = {
    "3dl: empty": (parse_3dl, "# nothing\n", "empty"),
    "3dl: not text": (parse_3dl, b"\xff\xfe\x00\x01", "not text"),
    "3dl: a row is missing": (
        parse_3dl,
        GOOD_3DL.rsplit("\n", 2)[0],
        "27 rows of colours",
    ),
    "3dl: uneven levels": (parse_3dl, GOOD_3DL.replace("0 512 1023", "0 100 1023"), "evenly"),
    "3dl: a word": (parse_3dl, GOOD_3DL + "1 2 x\n", "not numbers"),
    "3dl: a negative level": (parse_3dl, GOOD_3DL.rsplit("\n", 2)[0] + "\n-1 0 0\n", "outside"),
    "3dl: too deep": (parse_3dl, GOOD_3DL.rsplit("\n", 2)[0] + "\n70000 0 0\n", "outside"),
    "csp: another file": (parse_csp, "LUT_3D_SIZE 2\n", "does not begin"),
    "csp: metadata without an end": (parse_csp, GOOD_CSP.replace("END META", "NO META"), "end"),
    "csp: no curve": (parse_csp, "CSPLUTV100\n3D\n", "input curve"),
    "csp: a falling curve": (parse_csp, GOOD_CSP.replace("0.0 1.0\n", "1.0 0.0\n", 1), "rise"),
    "csp: one point": (parse_csp, "CSPLUTV100\n3D\n1\n0\n0\n", "1 points"),
    "csp: no table": (parse_csp, "CSPLUTV100\n3D\n" + "2\n0 1\n0 1\n" * 3, "no table"),
    "csp: no cube": (parse_csp, GOOD_CSP.replace("3 3 3", "3 3 4"), "no cube"),
    "csp: a row is missing": (parse_csp, GOOD_CSP.rsplit("\n", 2)[0], "27 rows of colours"),
    "csp: not a number": (parse_csp, GOOD_CSP.rsplit("\n", 2)[0] + "\nnan 0 0\n", "finite"),
    "csp: too large": (parse_csp, GOOD_CSP.replace("3 3 3", "999 999 999"), "it must be 2 to 256"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_format_is_refused(name):
    parse, text, words = BROKEN[name]
    with pytest.raises(UnusableMedia, match=words) as caught:
        parse(text if isinstance(text, bytes) else text.encode())
    assert caught.value.field == "lut"


@settings(max_examples=200, deadline=None)
@given(data=st.data(), which=st.sampled_from([(parse_3dl, GOOD_3DL), (parse_csp, GOOD_CSP)]))
def test_any_damage_is_refused_or_read(data, which):
    parse, text = which
    spoilt = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoilt) - 1))
        spoilt[at] = data.draw(st.integers(0, 255))
    try:
        lut = parse(bytes(spoilt))
    except UnusableMedia:
        return
    assert lut.table is not None or lut.shaper is not None
