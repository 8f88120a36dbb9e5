"""Stems added up: exact, of any length, in any blocks."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.audio_encode import AudioEncoder, AudioEncoding
from studio_pipelines.media.stem_mixing import mix_stems, side_by_side

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
STEMS = ("bass", "drums", "lead", "other")
RATE_HZ = 44_100


def written(folder: Path, name: str, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    path = folder / f"{name}.wav"
    soundfile.write(path, samples, rate_hz, "FLOAT", format="WAV")
    return path


def residual_db(found: np.ndarray, wanted: np.ndarray) -> float:
    error = np.sqrt(np.mean((found.astype(np.float64) - wanted) ** 2))
    return 20 * math.log10(error / np.sqrt(np.mean(wanted**2))) if error else -math.inf


def test_the_stems_of_a_song_add_up_to_it(tmp_path: Path) -> None:
    paths = {name: SAMPLES / f"music-{name}.flac" for name in STEMS}
    mix = mix_stems(paths, {}, tmp_path / "mix.wav")
    found, rate_hz = soundfile.read(tmp_path / "mix.wav", always_2d=True)
    wanted = sum(soundfile.read(path, always_2d=True)[0] for path in paths.values())
    assert found.shape == wanted.shape == (mix.frames, 2)
    assert rate_hz == mix.sample_rate_hz
    assert mix.sample_peak == pytest.approx(np.abs(found).max())
    assert residual_db(found, wanted) <= -120


def test_gains_are_in_db_and_a_mute_is_silence(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal((200_000, 2)).astype(np.float32) for _ in range(3))
    paths = {name: written(tmp_path, name, one) for name, one in (("a", a), ("b", b), ("c", c))}
    mix_stems(paths, {"a": 6.0, "b": -math.inf, "c": -3.5}, tmp_path / "mix.wav")
    found, _ = soundfile.read(tmp_path / "mix.wav")
    wanted = a * 10 ** (6.0 / 20) + c * 10 ** (-3.5 / 20)
    assert residual_db(found, wanted) <= -120


def test_beyond_full_scale_nothing_is_cut(tmp_path: Path) -> None:
    loud = np.full((1000, 1), 0.9, np.float32)
    paths = {name: written(tmp_path, name, loud) for name in "ab"}
    mix = mix_stems(paths, {}, tmp_path / "mix.wav")
    found, _ = soundfile.read(tmp_path / "mix.wav")
    assert found.max() == pytest.approx(1.8)
    assert mix.sample_peak_db == pytest.approx(20 * math.log10(1.8), abs=1e-3)


def test_silence_has_no_peak(tmp_path: Path) -> None:
    silent = written(tmp_path, "silent", np.zeros((1000, 1), np.float32))
    assert mix_stems({"silent": silent}, {}, tmp_path / "mix.wav").sample_peak_db is None


def test_stems_that_an_encoder_has_padded_are_mixed_to_the_longest(tmp_path: Path) -> None:
    tone = np.sin(np.arange(RATE_HZ) / 20).astype(np.float32).reshape(-1, 1)
    with AudioEncoder(tmp_path / "a.mp3", AudioEncoding("mp3"), RATE_HZ, 1) as encoder:
        encoder.write(tone)
    paths = {"a": tmp_path / "a.mp3", "b": written(tmp_path, "b", tone[:1000])}
    mix = mix_stems(paths, {}, tmp_path / "mix.wav")
    assert mix.frames >= RATE_HZ


def test_stems_of_different_rates_are_refused(tmp_path: Path) -> None:
    sound = np.zeros((100, 2), np.float32)
    paths = {
        "a": written(tmp_path, "a", sound),
        "b": written(tmp_path, "b", sound, rate_hz=48_000),
    }
    with pytest.raises(UnusableMedia, match="b 48000 Hz x 2"):
        mix_stems(paths, {}, tmp_path / "mix.wav")


@given(
    st.lists(st.lists(st.integers(min_value=1, max_value=9), max_size=6), min_size=1, max_size=4)
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_blocks_of_any_lengths_meet_at_their_places(lengths: list[list[int]]) -> None:
    streams, wholes = [], []
    for number, one in enumerate(lengths):
        whole = (np.arange(sum(one), dtype=np.float32) + 100 * number).reshape(-1, 1)
        ends = list(itertools.accumulate(one))
        streams.append(iter(np.split(whole, ends[:-1]) if one else []))
        wholes.append(whole)
    longest = max(len(whole) for whole in wholes)
    blocks = list(side_by_side(streams, 1))
    for place, whole in enumerate(wholes):
        parts = [block[place] for block in blocks]
        joined = np.concatenate(parts) if parts else np.empty((0, 1), np.float32)
        assert len(joined) == longest
        assert np.array_equal(joined[: len(whole)], whole)
        assert not joined[len(whole) :].any()
