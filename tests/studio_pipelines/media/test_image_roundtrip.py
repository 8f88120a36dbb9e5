from collections.abc import Iterator
from pathlib import Path

import numpy as np
import OpenImageIO
import pillow_heif
import pytest
import pyvips
from PIL import Image, ImageCms

from studio_pipelines.errors import UnsupportedMedia
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.image_encode import encode_picture
from studio_pipelines.media.picture import Picture

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RANDOM = np.random.default_rng(7)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def _noise(dtype: str, channels: int, height: int = 37, width: int = 53) -> np.ndarray:
    full = np.iinfo(dtype).max
    return RANDOM.integers(0, full, (height, width, channels), dtype=dtype, endpoint=True)


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lossless_formats_keep_every_bit_and_the_profile(
    decoder: Decoder, tmp_path: Path, kind: str, dtype: str, channels: int
) -> None:
    profile = SRGB_PROFILE if channels > 1 else None
    picture = Picture(_noise(dtype, channels), icc_profile=profile, density_dpi=(300.0, 300.0))
    path = tmp_path / "picture"
    written = encode_picture(picture, path, format=kind)  # type: ignore[arg-type]
    back = decoder.picture(path)
    assert back.pixels.dtype == dtype
    assert np.array_equal(back.pixels, picture.pixels)
    assert back.icc_profile == profile
    assert back.density_dpi == pytest.approx((300, 300), rel=1e-4)
    assert back.source_format == written.media_type.mime
    assert back.notes == written.notes == ()


def test_float_tiff_keeps_every_bit(decoder: Decoder, tmp_path: Path) -> None:
    pixels = RANDOM.normal(0.5, 2, (20, 30, 3)).astype(np.float32)
    encode_picture(Picture(pixels), tmp_path / "f.tif", format="tiff")
    assert np.array_equal(decoder.picture(tmp_path / "f.tif").pixels, pixels)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 20_000, 3), (20_000, 300, 3), (3, 1, 1)])
def test_extreme_shapes(decoder: Decoder, tmp_path: Path, shape: tuple[int, int, int]) -> None:
    picture = Picture(_noise("uint8", shape[2], shape[0], shape[1]))
    encode_picture(picture, tmp_path / "p.png")
    assert np.array_equal(decoder.picture(tmp_path / "p.png").pixels, picture.pixels)


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_all_orientations_come_out_upright(
    decoder: Decoder, tmp_path: Path, orientation: int, suffix: str
) -> None:
    stored = _noise("uint8", 3)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Kamera"
    options = {"exif": exif.tobytes()} if suffix != "tif" else {"tiffinfo": exif}
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(stored).save(path, lossless=True, **options)
    picture = decoder.picture(path)
    assert np.array_equal(picture.pixels, UPRIGHT[orientation](stored))
    assert picture.exif is not None
    carried = Image.Exif()
    carried.load(picture.exif)
    assert 0x0112 not in carried
    assert carried[0x010F] == "Kamera"


def test_jpeg_orientation_agrees_with_pillow(decoder: Decoder, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (100, 200, 3))
    Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / "a.jpg", exif=exif, quality=95)
    pixels = decoder.picture(tmp_path / "a.jpg").pixels
    assert pixels.shape == (200, 100, 3)
    assert np.abs(pixels[:, 50, 0].astype(int) - np.arange(200)).max() <= 2


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_heic_uses_the_whole_range(decoder: Decoder, tmp_path: Path, bits: int) -> None:
    pixels = np.full((64, 80, 3), 65535, np.uint16)
    pixels[:32] = 0
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    heif = pillow_heif.from_bytes(mode="RGB;16", size=(80, 64), data=pixels.tobytes())
    heif.save(tmp_path / "a.heic", quality=-1)
    back = decoder.picture(tmp_path / "a.heic")
    assert (back.pixels.dtype, back.source_format) == (np.uint16, "image/heic")
    assert back.pixels.max() == 65535
    assert np.abs(back.pixels.astype(int) - pixels).max() < 65535 / 2**bits * 3


def test_avif(decoder: Decoder, tmp_path: Path) -> None:
    pixels = np.full((64, 80, 3), 65535, np.uint16)
    pixels[:32] = 0
    image = pyvips.Image.new_from_array(pixels, interpretation="rgb16")
    image.heifsave(str(tmp_path / "a.avif"), compression="av1", bitdepth=10, lossless=True)
    back = decoder.picture(tmp_path / "a.avif")
    assert np.array_equal(back.pixels, pixels)


def _save_exr(path: Path, pixels: np.ndarray, names: tuple[str, ...], kind: str = "float") -> None:
    height, width, channels = pixels.shape
    spec = OpenImageIO.ImageSpec(width, height, channels, kind)
    spec.channelnames = names
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), spec)
    assert output.write_image(pixels)
    output.close()


def test_exr_is_float_and_says_nan(decoder: Decoder, tmp_path: Path) -> None:
    pixels = RANDOM.normal(1, 3, (600, 30, 3)).astype(np.float32)
    pixels[5, 6, 1] = np.nan
    _save_exr(tmp_path / "a.exr", pixels, ("R", "G", "B"))
    picture = decoder.picture(tmp_path / "a.exr")
    assert np.array_equal(picture.pixels, pixels, equal_nan=True)
    assert picture.has_non_finite
    assert "NaN" in picture.notes[0]


def test_exr_alpha_is_made_straight(decoder: Decoder, tmp_path: Path) -> None:
    pixels = np.full((4, 5, 4), 0.25, np.float32)
    pixels[..., 3] = 0.5
    _save_exr(tmp_path / "a.exr", pixels, ("R", "G", "B", "A"))
    picture = decoder.picture(tmp_path / "a.exr")
    assert np.array_equal(picture.pixels[0, 0], np.float32([0.5, 0.5, 0.5, 0.5]))
    assert "premultiplied" in picture.notes[0]


def test_exr_without_colour_is_refused(decoder: Decoder, tmp_path: Path) -> None:
    _save_exr(tmp_path / "a.exr", np.zeros((4, 5, 2), np.float32), ("U", "V"))
    with pytest.raises(UnsupportedMedia, match="U, V"):
        decoder.picture(tmp_path / "a.exr")


def test_cmyk_becomes_srgb_and_is_noted(decoder: Decoder, tmp_path: Path) -> None:
    Image.new("CMYK", (50, 40), (0, 255, 255, 0)).save(tmp_path / "c.jpg")
    picture = decoder.picture(tmp_path / "c.jpg")
    red, green, blue = picture.pixels[20, 20].tolist()
    assert red > 200
    assert max(green, blue) < 90
    assert "CMYK" in picture.notes[0]
    assert picture.icc_profile is not None
    assert picture.icc_profile[16:20] == b"RGB "


def test_palette_bilevel_and_grey_with_alpha(decoder: Decoder, tmp_path: Path) -> None:
    grey = Image.fromarray(_noise("uint8", 1)[..., 0])
    grey.convert("RGB").quantize(16).save(tmp_path / "p.png")
    assert decoder.picture(tmp_path / "p.png").pixels.shape == (37, 53, 3)
    grey.convert("1").save(tmp_path / "b.png")
    bilevel = decoder.picture(tmp_path / "b.png")
    assert set(np.unique(bilevel.pixels)) == {0, 255}
    assert bilevel.as_rgb().pixels.shape == (37, 53, 3)
    grey.convert("LA").save(tmp_path / "la.png")
    assert decoder.picture(tmp_path / "la.png").pixels.shape == (37, 53, 4)


def test_animation_gives_its_first_frame(decoder: Decoder, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    for suffix in ("webp", "png"):
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        picture = decoder.picture(path)
        assert picture.pixels[5, 5].tolist()[:3] == [255, 0, 0]
        assert "first" in picture.notes[0]


def test_as_rgb_does_not_copy_colour(decoder: Decoder) -> None:
    picture = Picture(_noise("uint16", 4))
    assert picture.as_rgb() is picture
