"""The samples are what ``docs/samples.md`` says they are."""

import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
import pyvips
import soundfile as sf
from PIL import Image, ImageCms

PROJECT = Path(__file__).parents[1]
SAMPLES = PROJECT / "samples"
STEMS = ("drums", "bass", "other", "lead")


def sample_files() -> dict[str, Path]:
    return {path.name: path for path in SAMPLES.iterdir() if path.suffix not in {".py", ""}}


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in sample_files().values()) < 8_000_000


def test_the_page_lists_every_file_with_its_hash() -> None:
    page = (PROJECT / "docs" / "samples.md").read_text()
    listed = dict(re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", page, re.MULTILINE))
    hashes = {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sample_files().items()
    }
    assert listed == hashes


def read_music(name: str) -> np.ndarray:
    samples, sample_rate_hz = sf.read(SAMPLES / f"music-{name}.flac", dtype="int16")
    assert sample_rate_hz == 44_100
    assert samples.shape == (23 * 44_100, 2)
    return samples.astype(np.int32)


def test_the_mix_is_exactly_the_sum_of_the_stems() -> None:
    np.testing.assert_array_equal(read_music("mix"), sum(read_music(name) for name in STEMS))


def test_the_mix_grows_and_has_headroom() -> None:
    mix = read_music("mix") / 32768
    rms_db = [10 * np.log10(np.square(quarter).mean()) for quarter in np.array_split(mix, 4)]
    assert rms_db[0] < rms_db[1] < rms_db[2]
    assert 20 * np.log10(np.abs(mix).max()) == pytest.approx(-6, abs=0.01)


def test_the_voice_fits_over_the_band_and_is_as_loud() -> None:
    voice, band = read_music("voice"), sum(read_music(name) for name in STEMS[:3])
    singing = slice(10 * 44_100, 22 * 44_100)
    levels = [np.square(one[singing] / 32768).mean() for one in (voice, band)]
    assert levels[0] == pytest.approx(levels[1], rel=1e-3)
    assert np.abs(voice + read_music("mix")).max() < 32768
    assert not voice[: 9 * 44_100].any()


@pytest.mark.parametrize("name", STEMS)
def test_no_stem_is_silent(name: str) -> None:
    assert 20 * np.log10(np.abs(read_music(name)).max() / 32768) > -20


@pytest.mark.parametrize(
    ("name", "size", "sample_format", "profile", "orientation"),
    [
        ("astronaut.jpg", (512, 512), "uchar", "sRGB", None),
        ("rocket-sideways.jpg", (427, 640), "uchar", "Adobe RGB", 6),
        ("tower.jpg", (640, 427), "uchar", "sRGB", None),
        ("coffee-p3-16bit.png", (300, 200), "ushort", "sP3C", None),
    ],
)
def test_pictures_open_with_their_size_depth_and_profile(
    name: str, size: tuple[int, int], sample_format: str, profile: str, orientation: int | None
) -> None:
    with Image.open(SAMPLES / name) as picture:
        assert picture.size == size
        assert picture.getexif().get(0x0112) == orientation
        icc = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
    assert ImageCms.getProfileDescription(icc).startswith(profile)
    assert pyvips.Image.new_from_file(str(SAMPLES / name)).format == sample_format


def test_the_16_bit_picture_uses_its_depth() -> None:
    values = pyvips.Image.new_from_file(str(SAMPLES / "coffee-p3-16bit.png")).numpy()
    assert len(np.unique(values)) > 10_000
