import dataclasses
import io
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import psutil
import pytest
import soundfile
from PIL import Image

from studio_pipelines.errors import MediaTooLarge, StudioError
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.limits import MIB, MediaLimits, media_limits, set_media_limits
from studio_pipelines.media.lut_files import check_lut_size, is_lut_text
from studio_pipelines.media.sniff import CSP, CUBE, LUT_3DL, MediaType
from studio_pipelines.settings import load_settings


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def _png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "png")
    return file.getvalue()


def _wav(frames: int, channels: int = 1, rate: int = 8000, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((frames, channels)), rate, format=kind)
    return file.getvalue()


def _address_space_bytes() -> int:
    """What a helper takes for a small picture: its libraries and a thread a processor."""
    with Decoder() as decoder:
        decoder.picture(_png(10, 10))
        return psutil.Process(decoder.helper_pid).memory_info().vms


def test_pictures(decoder: Decoder) -> None:
    limits = MediaLimits(max_pixels=10_000, max_side_px=500)
    decoder.picture(_png(100, 100), limits=limits)
    with pytest.raises(MediaTooLarge, match="100 x 101 pixels"):
        decoder.picture(_png(100, 101), limits=limits)
    with pytest.raises(MediaTooLarge, match="501 x 2 pixels; at most 500"):
        decoder.picture(_png(501, 2), limits=limits)
    with pytest.raises(MediaTooLarge, match="MiB"):
        decoder.picture(_png(1000, 400), limits=MediaLimits(max_decoded_bytes=MIB))


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_sounds(decoder: Decoder, kind: str) -> None:
    limits = MediaLimits(max_duration_s=1.0, max_channels=2, max_sample_rate_hz=48_000)
    decoder.audio(_wav(8000, 2, kind=kind), limits=limits)
    with pytest.raises(MediaTooLarge, match="longer than 1 s"):
        decoder.audio(_wav(8001, kind=kind), limits=limits)
    with pytest.raises(MediaTooLarge, match="3 channels"):
        decoder.audio(_wav(10, 3, kind=kind), limits=limits)
    with pytest.raises(MediaTooLarge, match="96000 Hz"):
        decoder.audio(_wav(10, 1, 96_000, kind=kind), limits=limits)


def test_a_helper_that_wants_too_much_memory_ends_and_is_replaced() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6000, 6000, 3), dtype=np.uint8)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # a turned picture is held as a whole
    Image.fromarray(pixels).save(file, "jpeg", quality=30, exif=exif)
    limits = MediaLimits(helper_memory_bytes=_address_space_bytes() + 64 * MIB)
    with Decoder(limits=limits) as decoder:
        with pytest.raises(StudioError, match=r"memory|damaged"):
            decoder.picture(file.getvalue())
        assert decoder.picture(_png(10, 10)).pixels.shape == (10, 10, 3)


def test_time_runs_out(decoder: Decoder) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4000, 4000, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=1)
    with pytest.raises(MediaTooLarge, match=r"longer than 0\.02 s"):
        decoder.picture(file.getvalue(), limits=MediaLimits(decode_timeout_s=0.02))
    assert decoder.helper_pid is None
    assert decoder.picture(_png(10, 10)).pixels.shape == (10, 10, 3)


def test_a_deployments_limits_are_in_force_and_default_to_the_same() -> None:
    settings = load_settings().model_dump()
    names = {limit.name for limit in dataclasses.fields(MediaLimits)}
    assert names - settings.keys() == {"in_memory_bytes"}
    try:
        set_media_limits(settings)
        assert media_limits() == MediaLimits()
        set_media_limits({"max_pixels": 10, "api_port": 1})
        assert media_limits() == MediaLimits(max_pixels=10)
        with Decoder() as decoder, pytest.raises(MediaTooLarge, match="11 x 1 pixels"):
            decoder.picture(_png(11, 1))
    finally:
        set_media_limits({})


@pytest.mark.parametrize(
    ("media_type", "most"), [(CUBE, 128 * MIB), (LUT_3DL, 16 * MIB), (CSP, 16 * MIB)]
)
def test_lut_files(media_type: MediaType, most: int) -> None:
    assert is_lut_text(media_type.mime)
    check_lut_size(most, media_type.mime, MediaLimits())
    with pytest.raises(MediaTooLarge, match=f"{most + 1:,} bytes; at most {most:,}"):
        check_lut_size(most + 1, media_type.mime, MediaLimits())
    with pytest.raises(MediaTooLarge, match="at most 10 are"):
        check_lut_size(11, media_type.mime, MediaLimits(max_lut_bytes=10))


def test_tags(decoder: Decoder) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska", options={"fflags": "bitexact"}) as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        out.metadata.update({f"key{number}" + "k" * 200: "v" * 5000 for number in range(300)})
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    tags = decoder.audio(file.getvalue()).tags
    assert len(tags) == 100
    assert max(map(len, tags)) == 100
    assert max(map(len, tags.values())) == 1000
