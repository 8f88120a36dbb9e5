import contextlib
import io
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import OpenImageIO
import pytest
import soundfile
from PIL import Image

from studio_pipelines.errors import StudioError, UnsupportedMedia, UnusableMedia
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.limits import MediaLimits

RANDOM = np.random.default_rng(11)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def encoded(suffix: str, size: tuple[int, int] = (160, 120)) -> bytes:
    pixels = RANDOM.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, suffix)
    return file.getvalue()


def test_takes_a_path_an_open_file_and_bytes(decoder: Decoder, tmp_path: Path) -> None:
    content = encoded("png")
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with path.open("rb") as file:
        file.seek(10)
        from_file = decoder.picture(file)
        assert file.tell() == 10
    for picture in (decoder.picture(path), decoder.picture(content)):
        assert np.array_equal(picture.pixels, from_file.pixels)


def test_the_name_means_nothing(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "a.tif[page=3]").write_bytes(encoded("png"))
    assert decoder.picture(tmp_path / "a.tif[page=3]").source_format == "image/png"


def test_pixels_are_private_and_writable(decoder: Decoder) -> None:
    content = encoded("png")
    first, second = decoder.picture(content), decoder.picture(content)
    first.pixels[:] = 0
    assert second.pixels.any()


@pytest.mark.parametrize("suffix", ["png", "jpeg", "webp", "tiff"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_pictures_are_refused(decoder: Decoder, suffix: str, share: float) -> None:
    content = encoded(suffix)
    with pytest.raises(UnusableMedia, match="damaged or cut off") as caught:
        decoder.picture(content[: int(len(content) * share)], field="image")
    assert caught.value.field == "image"
    assert caught.value.hint


def test_empty_and_foreign_files_are_refused(decoder: Decoder) -> None:
    with pytest.raises(UnusableMedia, match="empty") as caught:
        decoder.picture(b"", field="mask")
    assert caught.value.field == "mask"
    with pytest.raises(UnsupportedMedia, match="no known format"):
        decoder.picture(b"plain text, and yet its name was picture.png")
    with pytest.raises(UnsupportedMedia, match="a GIF file"):
        decoder.picture(encoded("gif"))
    file = io.BytesIO()
    soundfile.write(file, np.zeros(100), 8000, format="WAV")
    with pytest.raises(UnsupportedMedia, match="a WAV file"):
        decoder.picture(file.getvalue())
    with pytest.raises(UnsupportedMedia, match="a PNG file"):
        decoder.audio(encoded("png"))


def test_messages_name_no_path(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "secret-name.png"
    path.write_bytes(encoded("png")[:500])
    with pytest.raises(StudioError) as caught:
        decoder.picture(path)
    assert "secret-name" not in caught.value.message
    assert "/" not in caught.value.message


def test_threads_take_turns(decoder: Decoder) -> None:
    contents = [encoded("png", (40 + n, 30)) for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        widths = list(pool.map(lambda content: decoder.picture(content).width_px, contents))
    assert widths == [40 + n for n in range(12)]


def test_one_warm_helper_serves_all(decoder: Decoder) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    for _ in range(5):
        decoder.picture(encoded("png"))
        with pytest.raises(UnusableMedia):
            decoder.picture(encoded("png")[:400])
    assert decoder.helper_pid == pid


def _open_files(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def _exr(folder: Path) -> bytes:
    path = folder / "a.exr"
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), OpenImageIO.ImageSpec(160, 120, 3, "half"))
    assert output.write_image(RANDOM.random((120, 160, 3)).astype(np.float32))
    output.close()
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff", "avif", "exr", "wav", "mp3"])
def test_no_descriptor_is_leaked(tmp_path: Path, kind: str) -> None:
    sound = kind in ("wav", "mp3")
    if sound:
        file = io.BytesIO()
        soundfile.write(file, RANDOM.uniform(-1, 1, (9000, 2)), 44_100, format=kind.upper())
        content = file.getvalue()
    else:
        content = _exr(tmp_path) if kind == "exr" else encoded(kind)
    with Decoder() as decoder:
        decode = decoder.audio if sound else decoder.picture
        decode(content)
        pid, mine = decoder.helper_pid, _open_files("/proc/self/fd")
        theirs = _open_files(f"/proc/{pid}/fd")
        for _ in range(70):  # more than the helper may have open
            decode(content)
            with contextlib.suppress(UnusableMedia):
                decode(content[: len(content) // 2])
        decode(content)
        assert decoder.helper_pid == pid
        # The helper tidies up after it has answered, so it may still hold the last request's.
        assert _open_files(f"/proc/{pid}/fd") <= theirs + 2
        assert _open_files("/proc/self/fd") <= mine + 1


def test_large_results_lie_in_an_unlinked_scratch_file(tmp_path: Path) -> None:
    content = encoded("png", (300, 200))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Decoder(limits=MediaLimits(in_memory_bytes=1000), scratch_dir=scratch) as decoder:
        pixels = decoder.picture(content).pixels
        assert str(scratch) in Path("/proc/self/maps").read_text()
        assert decoder.helper_pid is None  # a scratch file cannot be sealed, so its writer ended
        assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(content))))
        assert np.array_equal(decoder.picture(content).pixels, pixels)
    assert not list(scratch.iterdir())


def test_a_header_that_promises_a_huge_picture_is_refused_at_once(decoder: Decoder) -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    idat = b"IDAT" + zlib.compress(b"")
    png = b"\x89PNG\r\n\x1a\n"
    for body in (chunk, idat, b"IEND"):
        png += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    decoder.warm()
    started = time.monotonic()
    with pytest.raises(StudioError, match="100000 x 100000") as caught:
        decoder.picture(png)
    assert caught.value.code == "media_limit_exceeded"
    assert time.monotonic() - started < 5  # it would take minutes to decode
