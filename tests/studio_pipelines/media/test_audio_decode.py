import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.decoder import Decoder

RANDOM = np.random.default_rng(5)
RATE_HZ = 44_100


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def _tone(frames: int = RATE_HZ, channels: int = 2, rate_hz: int = RATE_HZ) -> np.ndarray:
    phase = 2 * np.pi * 440 * np.arange(frames) / rate_hz
    return (0.5 * np.sin(phase + np.arange(channels)[:, None])).T.astype(np.float32)


def _written(samples: np.ndarray, kind: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format=kind, subtype=subtype)
    return file.getvalue()


def _encoded(
    path: Path, codec: str, samples: np.ndarray, rate_hz: int = RATE_HZ, **options: str
) -> Path:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.layout = "stereo"
        planes = np.ascontiguousarray(samples.T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        resampler = av.AudioResampler(format=stream.format, layout="stereo", rate=rate_hz)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF", "FLAC"])
@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
def test_integer_pcm_is_exact(decoder: Decoder, kind: str, subtype: str, bits: int) -> None:
    codes = RANDOM.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (5000, 2), dtype=np.int32)
    codes[:2] = [[-(2 ** (bits - 1))] * 2, [2 ** (bits - 1) - 1] * 2]
    clip = decoder.audio(_written(codes << (32 - bits), kind, subtype))
    assert clip.samples.dtype == np.float32
    assert np.array_equal(clip.samples, codes / 2.0 ** (bits - 1))
    assert (clip.sample_rate_hz, clip.channel_layout) == (RATE_HZ, "stereo")
    assert clip.codec == subtype.lower()


def test_float_wav_passes_everything_on_and_says_so(decoder: Decoder) -> None:
    samples = _tone(1000) * 4
    samples[10, 0], samples[11, 1] = np.nan, np.inf
    clip = decoder.audio(_written(samples, "WAV", "FLOAT"))
    assert np.array_equal(clip.samples, samples, equal_nan=True)
    assert clip.has_non_finite
    assert "NaN" in clip.notes[0]
    assert not decoder.audio(_written(_tone(), "WAV", "FLOAT")).has_non_finite


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "OGG"])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_cut_off_files_are_refused(decoder: Decoder, kind: str, share: float) -> None:
    content = _written(_tone(), kind)
    with pytest.raises(UnusableMedia, match="cut off") as caught:
        decoder.audio(content[: int(len(content) * share)], field="audio")
    assert caught.value.field == "audio"


def test_a_streamed_wav_without_a_size_is_read_to_its_end(decoder: Decoder) -> None:
    content = bytearray(_written(_tone(1000), "WAV", "PCM_16"))
    size_at = content.index(b"data") + 4
    content[size_at : size_at + 4] = content[4:8] = b"\xff\xff\xff\xff"
    assert decoder.audio(bytes(content)).frames == 1000


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.m4a", "aac", RATE_HZ),
        ("alac.m4a", "alac", RATE_HZ),
        ("a.mp3", "libmp3lame", RATE_HZ),
        ("a.opus", "libopus", 48_000),
        ("a.mp4", "aac", 48_000),
    ],
)
def test_encoder_delay_and_padding_are_cut(
    decoder: Decoder, tmp_path: Path, name: str, codec: str, rate_hz: int
) -> None:
    samples = (0.1 * RANDOM.normal(size=(50_001, 2))).astype(np.float32)
    clip = decoder.audio(_encoded(tmp_path / name, codec, samples, rate_hz))
    assert (clip.frames, clip.sample_rate_hz) == (50_001, rate_hz)
    likeness = [
        float(np.sum(clip.samples[4000 + lag : 40_000 + lag, 0] * samples[4000:40_000, 0]))
        for lag in range(-1500, 1501)
    ]
    assert int(np.argmax(likeness)) - 1500 == 0


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.m4a", "aac", {"movflags": "faststart"}), ("a.mp3", "libmp3lame", {})],
)
def test_cut_off_coded_files_are_refused(
    decoder: Decoder, tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    content = _encoded(tmp_path / name, codec, _tone(), **options).read_bytes()
    with pytest.raises(UnusableMedia, match="cut off"):
        decoder.audio(content[: len(content) * 6 // 10])


def test_an_mp4_without_its_index_is_refused(decoder: Decoder, tmp_path: Path) -> None:
    content = _encoded(tmp_path / "a.m4a", "aac", _tone()).read_bytes()
    with pytest.raises(UnusableMedia, match="damaged or cut off"):
        decoder.audio(content[: len(content) // 2])


def test_a_video_without_sound_is_refused(decoder: Decoder, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UnusableMedia, match="no sound") as caught:
        decoder.audio(tmp_path / "v.mp4", field="audio")
    assert caught.value.field == "audio"


def test_short_and_empty_sounds(decoder: Decoder) -> None:
    assert decoder.audio(_written(_tone(4410), "WAV")).duration_s == pytest.approx(0.1)
    assert decoder.audio(_written(_tone(1, 1), "WAV")).samples.shape == (1, 1)
    with pytest.raises(UnusableMedia, match="0 s"):
        decoder.audio(_written(_tone(0), "WAV"))
    with pytest.raises(UnusableMedia, match="empty"):
        decoder.audio(b"")


def test_tags_and_layout(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", RATE_HZ, 6) as file:
        file.title, file.artist = "Stück", "Wir"
        file.write(_tone(1000, 6))
    clip = decoder.audio(path)
    assert (clip.tags["title"], clip.tags["artist"]) == ("Stück", "Wir")
    assert clip.channel_layout == "5.1"
