import io
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from studio_pipelines.errors import InvalidParameter, UnusableMedia
from studio_pipelines.media.exif import carried_exif
from studio_pipelines.media.image_encode import encode_picture
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.preview import side_by_side, thumbnail_png

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _ramp(dtype: type) -> np.ndarray:
    full = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    levels = np.linspace(0, full, 256).astype(dtype)
    return np.ascontiguousarray(np.broadcast_to(levels[None, :, None], (64, 256, 3)))


def test_sixteen_bits_are_rounded_to_the_nearest_eight(tmp_path: Path) -> None:
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    written = encode_picture(Picture(codes), tmp_path / "a.webp", format="webp", quality=100)
    back = np.asarray(Image.open(tmp_path / "a.webp"))
    assert np.array_equal(back, np.rint(codes / 257).astype(np.uint8))
    assert "rounded" in written.notes[0]


def test_floats_are_rounded_and_clipped(tmp_path: Path) -> None:
    pixels = _ramp(np.float32)
    pixels[0, 0] = (-0.5, 1.5, 0.5)
    written = encode_picture(Picture(pixels), tmp_path / "a.png")
    assert "-0.5 to 1.5" in written.notes[0]
    import pyvips

    back = pyvips.Image.new_from_file(str(tmp_path / "a.png")).numpy()
    assert np.array_equal(back, np.floor(pixels.clip(0, 1) * np.float32(65535) + 0.5))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_nan_is_refused_by_integer_formats(tmp_path: Path, kind: str) -> None:
    pixels = _ramp(np.float32)
    pixels[3, 3, 0] = np.nan
    with pytest.raises(UnusableMedia, match="NaN"):
        encode_picture(Picture(pixels), tmp_path / "a", format=kind)  # type: ignore[arg-type]
    assert not (tmp_path / "a").exists()


def test_jpeg_lays_alpha_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    written = encode_picture(Picture(pixels), tmp_path / "a.jpg", format="jpeg")
    assert np.asarray(Image.open(tmp_path / "a.jpg")).min() >= 254
    assert "white" in written.notes[0]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
def test_profile_and_exif_are_written(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Kamera", 8
    exif.get_ifd(0x8769)[0x829A] = (1, 125)
    block = carried_exif(exif.tobytes())
    picture = Picture(_ramp(np.uint8), icc_profile=SRGB_PROFILE, exif=block)
    encode_picture(picture, tmp_path / "a", format=kind)  # type: ignore[arg-type]
    with Image.open(tmp_path / "a") as written:
        assert written.info["icc_profile"] == SRGB_PROFILE
        found = written.getexif()
        assert found[0x010F] == "Kamera"
        assert found.get(0x0112, 1) == 1
        assert found.get_ifd(0x8769)[0x829A] == (1, 125)


def test_a_profile_of_another_colour_space_is_left_out(tmp_path: Path) -> None:
    grey = Picture(_ramp(np.uint8)[..., :1], icc_profile=SRGB_PROFILE)
    written = encode_picture(grey, tmp_path / "a.png")
    assert "profile" in written.notes[0]
    assert "icc_profile" not in Image.open(tmp_path / "a.png").info


def test_refuses_what_the_format_cannot_hold(tmp_path: Path) -> None:
    long = Picture(np.zeros((1, 16_384, 3), np.uint8))
    with pytest.raises(InvalidParameter, match="16384"):
        encode_picture(long, tmp_path / "a", format="webp")
    with pytest.raises(InvalidParameter, match="quality is 101"):
        encode_picture(long, tmp_path / "a", format="jpeg", quality=101)


def test_an_interrupt_stops_encoding_and_leaves_no_file(tmp_path: Path) -> None:
    script = f"""
import numpy as np, signal, sys, threading, time, os
from pathlib import Path
from studio_pipelines.media.image_encode import encode_picture
from studio_pipelines.media.picture import Picture
noise = np.random.default_rng(0).integers(0, 65535, (6000, 6000, 3), dtype=np.uint16)
path = Path({str(tmp_path / "a.png")!r})
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    encode_picture(Picture(noise), path)
except KeyboardInterrupt:
    sys.exit(0 if not path.exists() else 'the file is still there')
sys.exit('it was not interrupted')
"""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    subprocess.run([sys.executable, "-c", script], check=True)


def test_thumbnail_is_small_eight_bit_and_never_enlarged() -> None:
    picture = Picture(_ramp(np.uint16), icc_profile=SRGB_PROFILE)
    small = Image.open(io.BytesIO(thumbnail_png(picture, 100)))
    assert small.size == (100, 25)
    assert small.mode == "RGB"
    assert Image.open(io.BytesIO(thumbnail_png(picture, 1000))).size == (256, 64)
    grey = np.asarray(small).astype(int)[:, :, 0]
    assert np.abs(np.diff(grey.mean(axis=0))).max() < 6


def test_side_by_side_shows_both() -> None:
    before = Picture(np.full((200, 300, 3), 40, np.uint8))
    after = Picture(np.full((400, 600, 1), 50_000, np.uint16))
    sheet = np.asarray(Image.open(io.BytesIO(side_by_side(before, after, height_px=200))))
    assert sheet.shape == (200, 604, 3)
    assert sheet[150, 150].tolist() == [40, 40, 40]
    assert sheet[150, 450].tolist() == [195, 195, 195]
    for left in (0, 304):  # white letters on both labels
        assert (sheet[:40, left : left + 120].min(axis=2) > 240).any()
