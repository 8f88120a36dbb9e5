import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PyOpenColorIO as ocio  # noqa: N813  the name its own documents use
import pytest
import pyvips
from running_studio import RunningStudio, problem_in, uri

from studio_pipelines.contract.assets import Asset
from studio_pipelines.contract.jobs import JobData

pytestmark = pytest.mark.stack
ROUTE = "/api/grading/apply"
CUBE_HEAD = b"LUT_3D_SIZE 2\n"
CUBE_ROWS = b"".join(b"%d %d %d\n" % (r, g, b) for b in (0, 1) for g in (0, 1) for r in (0, 1))


def png_of(pixels: np.ndarray, **options: Any) -> bytes:
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    kind = "rgb16" if pixels.dtype == np.uint16 else "srgb"
    return image.copy(interpretation=kind).write_to_buffer(".png", **options)


def picture_of(studio: RunningStudio, found: JobData | Asset) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(studio.content(found), "")


def huge_png_header() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checked)

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def test_a_lut_grade_is_what_opencolorio_makes_of_it(
    media_studio: RunningStudio, samples: Path
) -> None:
    photo, cube = samples / "astronaut.jpg", samples / "warm_dusk.cube"
    data = media_studio.made(
        "grading_apply", image=uri(photo.read_bytes()), lut=uri(cube.read_bytes())
    )
    before = pyvips.Image.new_from_file(str(photo)).numpy().astype(np.float32) / 255
    transform = ocio.FileTransform(src=str(cube), interpolation=ocio.INTERP_TETRAHEDRAL)
    processor = ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor()
    expected = np.ascontiguousarray(before)
    processor.applyRGB(expected)
    after = picture_of(media_studio, data).numpy().astype(np.float32) / 255
    assert np.abs(after - np.clip(expected, 0, 1)).max() <= 0.5 / 255 + 1 / 65535
    assert data.verification["cubeMaxError"] == 0
    assert data.verification["meanDeltaE2000"] > 0.5
    assert media_studio.content(data.assets["cube"]).count(b"\n") > 33**3
    assert set(data.assets) == {"image", "cube", "preview", "scopes"}


def test_sixteen_bits_keep_their_depth_and_profile(
    media_studio: RunningStudio, samples: Path
) -> None:
    source = (samples / "coffee-p3-16bit.png").read_bytes()
    data = media_studio.made("grading_apply", image=uri(source), exposure=0.5)
    before, after = pyvips.Image.new_from_buffer(source, ""), picture_of(media_studio, data)
    assert after.format == "ushort"
    assert after.get("icc-profile-data") == before.get("icc-profile-data")
    assert after.avg() > before.avg()
    assert data.metrics["bitDepth"] == 16


def test_a_sideways_photo_comes_out_upright(media_studio: RunningStudio, samples: Path) -> None:
    source = (samples / "rocket-sideways.jpg").read_bytes()
    stored = pyvips.Image.new_from_buffer(source, "")
    data = media_studio.made(
        "grading_apply", image=uri(source), contrast=1.1, format="jpeg", quality=90
    )
    after = picture_of(media_studio, data)
    assert (after.width, after.height) == (stored.height, stored.width)
    assert after.get_typeof("orientation") == 0 or after.get("orientation") == 1


def test_a_neutral_grade_changes_no_bit(media_studio: RunningStudio) -> None:
    pixels = np.random.default_rng(1).integers(0, 65536, (17, 23, 3), dtype=np.uint16)
    data = media_studio.made("grading_apply", image=uri(png_of(pixels)))
    assert np.array_equal(picture_of(media_studio, data).numpy(), pixels)


def test_a_mask_leaves_black_alone(media_studio: RunningStudio) -> None:
    pixels = np.full((8, 8, 3), 100, np.uint8)
    mask = np.zeros((8, 8, 1), np.uint8)
    mask[:, 4:] = 255
    mask_png = pyvips.Image.new_from_array(mask[:, :, 0]).write_to_buffer(".png")
    data = media_studio.made(
        "grading_apply", image=uri(png_of(pixels)), mask=uri(mask_png), exposure=1
    )
    after = picture_of(media_studio, data).numpy()
    assert (after[:, :4] == 100).all()
    assert (after[:, 4:] > 100).all()
    assert any("mask" in note for note in data.notes)


def test_a_hald_picture_is_a_lut(media_studio: RunningStudio) -> None:
    level, edge = 4, 16
    axis = np.arange(edge) * 255 // (edge - 1)
    cube = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)[..., ::-1]
    hald = (255 - cube).astype(np.uint8).reshape(level**3, level**3, 3)
    pixels = np.array([[[0, 255, 51]]], np.uint8)
    data = media_studio.made("grading_apply", image=uri(png_of(pixels)), lut=uri(png_of(hald)))
    assert np.abs(picture_of(media_studio, data).numpy().astype(int) - [255, 0, 204]).max() <= 1


BAD_IMAGES = {
    "not an image": (b"hello, I am text", 415, "unsupported_media"),
    "truncated": (None, 422, "unusable_media"),
    "100 000 pixels a side": (huge_png_header(), 422, "media_limit_exceeded"),
}
BAD_LUTS = {
    "a row is missing": CUBE_HEAD + CUBE_ROWS[:-6],
    "of size 1": b"LUT_3D_SIZE 1\n0 0 0\n",
    "holds NaN": CUBE_HEAD + CUBE_ROWS[:-6] + b"nan 1 1\n",
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_bad_image_is_refused_and_the_worker_lives(
    media_studio: RunningStudio, samples: Path, name: str
) -> None:
    data, status, code = BAD_IMAGES[name]
    data = data or (samples / "astronaut.jpg").read_bytes()[:20_000]
    before = media_studio.row("grading-engine")["pid"]
    answer = media_studio.client.post(ROUTE, json={"image": uri(data)})
    assert problem_in(answer, status, code)["field"] == "image"
    assert media_studio.row("grading-engine")["pid"] == before
    media_studio.made("grading_apply", image=uri(png_of(np.zeros((1, 1, 3), np.uint8))))


@pytest.mark.parametrize("name", BAD_LUTS)
def test_a_bad_lut_is_refused(media_studio: RunningStudio, pixel_png: bytes, name: str) -> None:
    answer = media_studio.client.post(
        ROUTE, json={"image": uri(pixel_png), "lut": uri(BAD_LUTS[name])}
    )
    assert problem_in(answer, 422, "unusable_media")["field"] == "lut"


def test_an_async_refusal_is_the_same_problem(media_studio: RunningStudio, samples: Path) -> None:
    data = (samples / "astronaut.jpg").read_bytes()[:20_000]
    answer = media_studio.client.post(ROUTE, json={"image": uri(data), "async": True})
    assert answer.status_code == 202
    record = media_studio.job_once(answer.json()["jobId"], "failed")
    waited = media_studio.client.post(ROUTE, json={"image": uri(data)}).json()
    kept = {name: record["error"][name] for name in ("code", "message", "field", "hint")}
    assert kept == waited["error"]
    assert record["error"]["status"] == waited["status"] == 422


def test_the_main_asset_is_the_picture_also_when_read_later(
    media_studio: RunningStudio, pixel_png: bytes
) -> None:
    data = media_studio.made("grading_apply", image=uri(pixel_png))
    assert data.url == data.assets["image"].url
    assert next(iter(data.assets)) == "image"


def test_a_file_may_come_in_the_form(media_studio: RunningStudio, pixel_png: bytes) -> None:
    answer = media_studio.client.post(
        ROUTE, files={"image": io.BytesIO(pixel_png)}, data={"params": '{"exposure": 1}'}
    )
    assert answer.status_code == 200, answer.text
    after = picture_of(media_studio, JobData(**answer.json()["data"])).numpy()
    assert (after[0, 0] > [200, 100, 50]).all()


def through_cube(pixels: np.ndarray, cube: bytes, folder: Path) -> np.ndarray:
    """Return code values, 0 to 1, as OpenColorIO takes them through a .cube file."""
    path = folder / "grade.cube"
    path.write_bytes(cube)
    ocio.ClearAllCaches()
    transform = ocio.FileTransform(src=str(path), interpolation=ocio.INTERP_TETRAHEDRAL)
    values = np.ascontiguousarray(pixels.astype(np.float32))
    processor = ocio.Config.CreateRaw().getProcessor(transform)
    processor.getDefaultCPUProcessor().applyRGB(values)
    return np.clip(values, 0, 1)


GRADES: dict[str, dict[str, Any]] = {
    "auto": {"auto": True},
    "half of auto": {"auto": True, "strength": 0.5},
    "reinhard": {"match": "reinhard"},
    "mkl": {"match": "mkl"},
    "transport": {"match": "transport", "intensity": 0.7},
}


@pytest.mark.parametrize("name", GRADES)
def test_the_cube_of_a_base_is_the_grade(
    media_studio: RunningStudio, samples: Path, tmp_path: Path, name: str
) -> None:
    photo, asked = samples / "tower.jpg", dict(GRADES[name])
    if "match" in asked:
        asked["reference"] = uri((samples / "rocket-sideways.jpg").read_bytes())
    data = media_studio.made("grading_apply", image=uri(photo.read_bytes()), **asked)
    cube = media_studio.content(data.assets["cube"])
    before = pyvips.Image.new_from_file(str(photo)).numpy() / 255
    after = picture_of(media_studio, data).numpy() / 255
    off = np.abs(after - through_cube(before, cube, tmp_path)).max()
    assert off <= 0.5 / 255 + 1 / 1023, "half a code is the picture's own rounding"
    assert data.verification["meanDeltaE2000"] > 1
    assert data.verification["cubeMaxError"] <= 1 / 1023
    assert data.model.name == ("maxim-retouching" if "auto" in asked else "studio-grade")


def test_a_qualifier_grades_its_colours_alone(media_studio: RunningStudio, samples: Path) -> None:
    photo = (samples / "astronaut.jpg").read_bytes()
    orange = {"hue": [5, 35], "saturation": [0.5, 1]}
    asked = {"cdl": {"saturation": 0}, "qualifier": orange, "feather": 1.5}
    data = media_studio.made("grading_apply", image=uri(photo), **asked)
    before = pyvips.Image.new_from_buffer(photo, "").numpy()
    after = picture_of(media_studio, data).numpy()
    matte = picture_of(media_studio, data.assets["matte"]).numpy()
    assert 0.02 < (matte > 127).mean() < 0.6
    np.testing.assert_array_equal(after[matte == 0], before[matte == 0])
    full = after[matte == 255].astype(int)
    assert np.ptp(full, axis=1).max() <= 1
    assert any("qualifier" in note for note in data.notes)


def test_light_of_a_scene_is_graded_and_stored_as_half_floats(
    media_studio: RunningStudio, tmp_path: Path
) -> None:
    light = np.geomspace(0.05, 40, 32 * 32 * 3, dtype=np.float32).reshape(32, 32, 3)
    from studio_pipelines.media.decoder import Decoder
    from studio_pipelines.media.exr_encode import encode_exr
    from studio_pipelines.media.picture import Picture

    encode_exr(Picture(light), tmp_path / "light.exr", samples="float")
    source = uri((tmp_path / "light.exr").read_bytes())
    data = media_studio.made(
        "grading_apply", image=source, inputSpace="ACEScg", exposure=-1, format="exr"
    )
    stored = media_studio.content(data)
    with Decoder() as decoder:
        after = decoder.picture(stored).pixels
    np.testing.assert_allclose(after, light / 2, rtol=5e-3)
    assert data.verification["cubeInputSpace"] == "ACEScct"
    shown = {"display": "sRGB - Display", "view": "ACES 2.0 - SDR 100 nits (Rec.709)"}
    data = media_studio.made(
        "grading_apply", image=source, inputSpace="ACEScg", bitDepth=8, dither=True, **shown
    )
    picture = picture_of(media_studio, data)
    assert picture.format == "uchar"
    assert pyvips.Image.profile_load("srgb") == picture.get("icc-profile-data")


BAD_TOGETHER = {
    "nothing to grade": ({"image": None}, "image"),
    "auto and reference": ({"auto": True, "reference": True}, "reference"),
    "no input space": ({"outputSpace": "ACEScg"}, "inputSpace"),
    "a display without a view": ({"inputSpace": "ACEScg", "display": "sRGB - Display"}, "view"),
    "an unknown space": ({"inputSpace": "ACESmg"}, "inputSpace"),
    "32 bits of PNG": ({"bitDepth": 32}, "bitDepth"),
    "an upside-down range": ({"qualifier": {"luma": [0.9, 0.1]}}, "qualifier.luma"),
    "an absent network": ({"auto": True, "model": "maxim-9"}, "model"),
}


@pytest.mark.parametrize("name", BAD_TOGETHER)
def test_what_does_not_go_together_is_refused(
    media_studio: RunningStudio, pixel_png: bytes, name: str
) -> None:
    asked, field = BAD_TOGETHER[name]
    body = {"image": uri(pixel_png), **asked}
    if body.get("reference"):
        body["reference"] = uri(pixel_png)
    answer = media_studio.client.post(ROUTE, json={k: v for k, v in body.items() if v is not None})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["field"] == field
