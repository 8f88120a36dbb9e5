"""Every format: what goes in comes out, with its tags, its clipping and its dither."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.audio_encode import AudioEncoder
from studio_pipelines.media.audio_encoding import AudioEncoding, AudioFormat
from studio_pipelines.media.encoded_loudness import measure_file
from studio_pipelines.media.loudness import measure

RATE = 48_000
ALL: list[tuple[AudioFormat, int | None]] = [
    ("wav", 16),
    ("wav", 24),
    ("wav", 32),
    ("flac", 16),
    ("flac", 24),
    ("mp3", None),
    ("aac", None),
    ("opus", None),
]


def sound(seconds: float = 2, channels: int = 2, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = np.arange(round(RATE * seconds))[:, None]
    tones = sum(np.sin(2 * np.pi * f / RATE * n + rng.random(channels)) for f in (220, 997, 3000))
    return (0.1 * tones + 0.01 * rng.standard_normal(tones.shape)).astype("f4")


def written(
    path: Path, encoding: AudioEncoding, samples: np.ndarray, **options: object
) -> np.ndarray:
    with AudioEncoder(path, encoding, RATE, samples.shape[1], **options) as encoder:  # type: ignore[arg-type]
        for block in np.array_split(samples, 7):
            encoder.write(block)
    if encoding.is_lossy:
        with av.open(str(path)) as container:
            planar = av.AudioResampler(format="fltp")
            frames = [r for f in container.decode(audio=0) for r in planar.resample(f)]
            return np.concatenate([frame.to_ndarray() for frame in frames], axis=1).T
    decoded, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return decoded


@pytest.mark.parametrize(("name", "depth", "error_steps"), [
    ("wav", 16, 1.5), ("wav", 24, 0.5), ("flac", 16, 1.5), ("flac", 24, 0.5)
])  # fmt: skip
def test_integers_are_off_by_rounding_and_dither_and_no_more(
    tmp_path: Path, name: AudioFormat, depth: int, error_steps: float
) -> None:
    encoding = AudioEncoding(name, depth)
    error = written(tmp_path / "a", encoding, sound()) - sound()
    assert error.shape == sound().shape
    assert np.abs(error).max() <= error_steps * 2.0 ** (1 - depth)
    assert encoding.quantisation_step == error_steps * 2.0 ** (1 - depth)
    assert abs(error.mean()) < 0.02 * 2.0 ** (1 - depth)


def test_floats_are_kept(tmp_path: Path) -> None:
    loud = sound() * 9
    np.testing.assert_array_equal(written(tmp_path / "a", AudioEncoding("wav", 32), loud), loud)


@pytest.mark.parametrize("depth", [16, 24])
def test_integers_clip_and_never_wrap(tmp_path: Path, depth: int) -> None:
    decoded = written(tmp_path / "a", AudioEncoding("wav", depth), sound() * 9)
    np.testing.assert_allclose(decoded, np.clip(sound() * 9, -1, 1), atol=2.0 ** (3 - depth))


def test_dither_frees_a_tone_below_one_step_of_distortion(tmp_path: Path) -> None:
    n = np.arange(RATE * 4)
    tone = (0.4 * 2.0**-15 * np.sin(2 * np.pi * 1000 / RATE * n)).astype("f4")[:, None]
    decoded = written(tmp_path / "a", AudioEncoding("wav", 16), tone)[:, 0]
    spectrum = np.abs(np.fft.rfft(decoded)) / (len(n) / 2)
    assert spectrum[4000] == pytest.approx(0.4 * 2.0**-15, rel=0.05)
    assert spectrum[12_000] < 0.02 * spectrum[4000]


@pytest.mark.parametrize(("name", "depth"), ALL)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_keeps_loudness_and_length(
    tmp_path: Path, name: AudioFormat, depth: int | None, channels: int
) -> None:
    samples = sound(channels=channels)
    decoded = written(tmp_path / "a", AudioEncoding(name, depth), samples)
    assert decoded.shape[1] == channels
    assert len(decoded) == pytest.approx(len(samples), abs=0.06 * RATE)
    before = measure(samples, RATE).integrated_lufs
    after = measure_file(tmp_path / "a")
    # LAME makes a single channel 0.95 times as large on purpose.
    assert after.integrated_lufs == pytest.approx(before, abs=0.5 if name == "mp3" else 0.1)
    assert after.true_peak_db == pytest.approx(
        measure(np.ascontiguousarray(decoded), RATE).true_peak_db, abs=1e-6
    )


@pytest.mark.parametrize(("name", "depth"), ALL)
def test_every_format_keeps_tags(tmp_path: Path, name: AudioFormat, depth: int | None) -> None:
    tags = {"title": "Étude № 1", "artist": "Ärzte"}
    written(tmp_path / "a", AudioEncoding(name, depth), sound(), tags=tags)
    with av.open(str(tmp_path / "a")) as container:
        found = dict(container.metadata) | dict(container.streams[0].metadata)
    found = {key.lower(): value for key, value in found.items()}
    assert {key: found.get(key) for key in tags} == tags


@pytest.mark.parametrize("name", ["wav", "flac", "aac", "opus"])
def test_surround_keeps_its_channels_in_order(tmp_path: Path, name: AudioFormat) -> None:
    samples = sound(channels=6) * np.array([1, 0.8, 0.6, 0.1, 0.4, 0.2], "f4")
    decoded = written(tmp_path / "a", AudioEncoding(name), samples, channel_layout="5.1")
    level = 20 * np.log10(np.sqrt((decoded**2).mean(0) / (samples**2).mean(0)))
    full_band = [0, 1, 2, 4, 5]  # codecs cut the low-frequency channel at 120 Hz
    np.testing.assert_allclose(level[full_band], 0, atol=0.7)


def test_writes_to_an_open_file() -> None:
    file = io.BytesIO()
    with AudioEncoder(file, AudioEncoding("flac", 24), RATE, 2) as encoder:
        encoder.write(sound())
    file.seek(0)
    np.testing.assert_allclose(soundfile.read(file)[0], sound(), atol=2.0**-23)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"format": "flac", "bit_depth": 32}, "bitDepth"),
        ({"format": "mp3", "bit_depth": 16}, "bitDepth"),
        ({"format": "wav", "bit_depth": 20}, "bitDepth"),
        ({"format": "wav", "bitrate_kbps": 320}, "bitrate"),
        ({"format": "mp3", "bitrate_kbps": 640}, "bitrate"),
    ],
)
def test_refuses_settings_that_do_not_go_together(settings: dict, field: str) -> None:
    with pytest.raises(InvalidParameter) as refusal:
        AudioEncoding(**settings)
    assert refusal.value.field == field


def test_refuses_more_channels_than_the_format_holds(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="mp3 holds 2 channels, not 6"):
        AudioEncoder(tmp_path / "a", AudioEncoding("mp3"), RATE, 6)


@pytest.mark.parametrize(
    ("name", "source_hz", "stored_hz"),
    [
        ("wav", 37_000, 37_000),
        ("flac", 192_000, 192_000),
        ("opus", 44_100, 48_000),
        ("opus", 96_000, 48_000),
        ("mp3", 44_100, 44_100),
        ("mp3", 88_200, 44_100),
        ("mp3", 96_000, 48_000),
        ("mp3", 37_000, 44_100),
        ("aac", 88_200, 88_200),
        ("aac", 192_000, 96_000),
    ],
)
def test_formats_store_at_their_rates(name: AudioFormat, source_hz: int, stored_hz: int) -> None:
    assert AudioEncoding(name).sample_rate_hz(source_hz) == stored_hz
