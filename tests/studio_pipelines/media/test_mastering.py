"""Masters reach their target or say why not, in memory and in every file format."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.errors import InvalidParameter, UnusableMedia
from studio_pipelines.media.audio_encoding import AudioEncoding, AudioFormat
from studio_pipelines.media.loudness import measure
from studio_pipelines.media.mastering import Mastering, master, master_file
from studio_pipelines.media.mastering_plan import linear_gain_db, loudness_after_gain
from studio_pipelines.media.mastering_report import report
from studio_pipelines.media.mastering_target import (
    PRESETS,
    MasteringSettings,
    MasteringTarget,
    Mode,
)

RATE = 48_000


def music(seconds: float = 12, seed: int = 1, rate: int = RATE, channels: int = 2) -> np.ndarray:
    """Chords under a beat of decaying noise bursts: a crest like that of a mix, about 15 dB."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(rate * seconds)) / rate
    beat = time % 0.5
    out = np.zeros((len(time), channels))
    for channel in range(channels):
        for k, root in enumerate((110.0, 138.6, 164.8, 220.0, 440.0)):
            swell = 0.6 + 0.4 * np.sin(2 * np.pi * (0.07 + 0.03 * k) * time + rng.random())
            out[:, channel] += swell * np.sin(2 * np.pi * root * time + 6 * rng.random()) / (k + 1)
        out[:, channel] += 3 * rng.standard_normal(len(time)) * np.exp(-beat / 0.01)
    out += (2.5 * np.sin(2 * np.pi * 55 * beat) * np.exp(-beat / 0.08))[:, None]
    return (0.12 * out).astype("f4")


def speech(seconds: float = 12, seed: int = 2) -> np.ndarray:
    """Syllables of tilted noise, compressed a little, with pauses between them."""
    rng = np.random.default_rng(seed)
    noise = np.cumsum(rng.standard_normal(round(RATE * seconds)))
    noise -= np.convolve(noise, np.ones(100) / 100, "same")
    time = np.arange(len(noise)) / RATE
    envelope = np.clip(np.sin(2 * np.pi * 3.7 * time), 0, 1) * (time % 3 < 2.4)
    return (0.1 * np.tanh(noise / noise.std() * envelope)).astype("f4")[:, None]


def tone(segments: list[tuple[float, float]]) -> np.ndarray:
    level = np.concatenate([np.full(round(s * RATE), 10 ** (db / 20)) for db, s in segments])
    wave = level * np.sin(2 * np.pi * 1000 / RATE * np.arange(len(level)))
    return np.repeat(wave[:, None], 2, axis=1).astype("f4")


def bursts() -> np.ndarray:
    """EBU Tech 3341 case 20 in kind: a tone at a sixth of the rate with one louder period."""
    n = np.arange(RATE)
    wave = 0.5 * np.sin(2 * np.pi * n / 6)
    wave[24_000:24_006] *= 2
    return np.repeat(wave[:, None], 2, axis=1).astype("f4")


PROGRAMMES = {
    "music": music(),
    "speech": speech(),
    "noise": (0.1 * np.random.default_rng(3).standard_normal((RATE * 6, 2))).astype("f4"),
    "ebu-1": tone([(-23, 20)]),
    "ebu-2": tone([(-33, 20)]),
    "ebu-3": tone([(-36, 10), (-23, 60), (-36, 10)]),
    "ebu-4": tone([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)]),
    "ebu-5": tone([(-26, 20), (-20, 20.1), (-26, 20)]),
    "ebu-9": tone([(-20, 1.34), (-30, 1.66)] * 5),
    "ebu-10": tone([(-np.inf, 1.5), (-23, 3), (-np.inf, 1)]),
    "ebu-12": tone([(-20, 0.18), (-30, 0.22)] * 25),
    "ebu-13": tone([(-np.inf, 0.1), (-23, 0.4), (-np.inf, 1)]),
    "ebu-15": tone([(-6, 1)]),
    "ebu-20": bursts(),
}


def check(mastering: Mastering) -> None:
    target = mastering.settings.target
    assert mastering.reason
    assert mastering.after.true_peak_db <= target.true_peak_db
    off_lu = abs(mastering.after.integrated_lufs - target.target_lufs)
    assert mastering.achieved == (off_lu <= 0.1)


@pytest.mark.parametrize("preset", ["streaming", "podcast", "ebu", "atsc"])
@pytest.mark.parametrize("name", PROGRAMMES)
def test_every_programme_reaches_every_preset(name: str, preset: str) -> None:
    samples = PROGRAMMES[name]
    out, mastering = master(samples, RATE, MasteringSettings(PRESETS[preset]))
    assert out.shape == samples.shape
    check(mastering)
    assert mastering.achieved, mastering.reason
    again = measure(out, RATE)
    assert again.integrated_lufs == mastering.after.integrated_lufs
    assert again.true_peak_db == mastering.after.true_peak_db


@given(
    seed=st.integers(0, 999),
    target_lufs=st.floats(-40, -5),
    ceiling_db=st.floats(-9, 0),
    mode=st.sampled_from(["linear", "dynamic", "auto"]),
    level_db=st.floats(-40, 20),
)
@settings(max_examples=25, deadline=None)
def test_on_target_or_a_reason(
    seed: int, target_lufs: float, ceiling_db: float, mode: Mode, level_db: float
) -> None:
    samples = music(3, seed) * np.float32(10 ** (level_db / 20))
    goal = MasteringSettings(MasteringTarget(target_lufs, ceiling_db), mode)
    _, mastering = master(samples, RATE, goal)
    check(mastering)


def test_linear_changes_nothing_but_the_gain() -> None:
    out, mastering = master(music(), RATE, MasteringSettings(PRESETS["ebu"]))
    assert mastering.plan.ceiling_db is None
    assert mastering.max_reduction_db == 0
    gain = np.float32(10 ** (mastering.plan.gain_db / 20))
    np.testing.assert_array_equal(out, music() * gain)


def test_linear_stops_at_the_ceiling_and_says_so() -> None:
    goal = MasteringSettings(MasteringTarget(-8, -1), "linear")
    _, mastering = master(music(), RATE, goal)
    assert not mastering.achieved
    assert "does not limit" in mastering.reason
    assert mastering.after.true_peak_db == pytest.approx(-1, abs=1e-3)


def test_auto_limits_where_a_gain_does_not_do() -> None:
    _, mastering = master(music(), RATE, MasteringSettings(MasteringTarget(-12, -1)))
    assert mastering.achieved
    assert mastering.plan.ceiling_db == -1
    assert mastering.max_reduction_db > 1
    assert "limited" in mastering.reason


def test_what_is_out_of_reach_is_said_and_not_forced() -> None:
    clicks = np.zeros((RATE * 5, 2), "f4")
    clicks[::4800] = 0.5
    _, mastering = master(clicks, RATE, MasteringSettings(MasteringTarget(-5, -9)))
    assert not mastering.achieved
    assert "would take more than 8 LU" in mastering.reason
    taken = mastering.before.integrated_lufs + mastering.plan.gain_db
    assert taken - mastering.after.integrated_lufs == pytest.approx(8, abs=0.2)


def test_the_gate_is_followed_when_a_gain_lifts_blocks_over_it() -> None:
    before = measure(tone([(-75, 10), (-55, 2)]), RATE)
    gain_db = linear_gain_db(before, -30)
    assert loudness_after_gain(before, gain_db) == pytest.approx(-30, abs=1e-6)


def test_dual_mono_masters_one_channel_3_db_lower() -> None:
    single, _ = master(speech(), RATE, MasteringSettings(PRESETS["ebu"]))
    goal = MasteringSettings(PRESETS["ebu"], dual_mono=True)
    double, mastering = master(speech(), RATE, goal)
    assert mastering.achieved
    ratio_db = 20 * np.log10(np.abs(single).max() / np.abs(double).max())
    assert ratio_db == pytest.approx(10 * math.log10(2), abs=0.01)


def test_masters_into_a_memory_map(tmp_path: Path) -> None:
    out = np.lib.format.open_memmap(tmp_path / "o.npy", "w+", np.float32, music().shape)
    result, mastering = master(music(), RATE, MasteringSettings(PRESETS["streaming"]), out=out)
    assert result is out
    assert measure(out, RATE).integrated_lufs == mastering.after.integrated_lufs


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((RATE, 2), "f4"), "silent"),
        (tone([(-90, 2)]), "silent"),
        (music(0.39), "0.39 s"),
        (np.zeros((0, 2), "f4"), "0.00 s"),
        (np.zeros((RATE, 0), "f4"), "0 channels"),
        (np.zeros((RATE, 9), "f4"), "9 channels"),
        (np.full((RATE, 2), np.nan, "f4"), "NaN"),
        (np.where(np.arange(RATE)[:, None] == 40_000, np.float32(np.inf), music(1)), "infinite"),
    ],
)
def test_refuses_what_cannot_be_mastered(samples: np.ndarray, words: str) -> None:
    with pytest.raises(UnusableMedia, match=words) as refusal:
        master(samples, RATE, MasteringSettings(PRESETS["ebu"]))
    assert refusal.value.field == "audio"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ((-4.9, -1), "targetLufs"),
        ((-70.1, -1), "targetLufs"),
        ((math.nan, -1), "targetLufs"),
        ((-14, 0.1), "truePeakDb"),
        ((-14, -9.1), "truePeakDb"),
    ],
)
def test_refuses_targets_out_of_range(values: tuple[float, float], field: str) -> None:
    with pytest.raises(InvalidParameter) as refusal:
        MasteringTarget(*values)
    assert refusal.value.field == field


@pytest.mark.parametrize(("name", "depth"), [
    ("wav", 16), ("wav", 24), ("wav", 32), ("flac", 16), ("mp3", None), ("aac", None),
    ("opus", None),
])  # fmt: skip
def test_the_file_itself_is_on_target(tmp_path: Path, name: AudioFormat, depth: int | None) -> None:
    goal = MasteringSettings(MasteringTarget(-14, -1))
    mastering = master_file(
        music(8), RATE, {"title": "t"}, goal, AudioEncoding(name, depth), tmp_path / "a"
    )
    check(mastering)
    assert mastering.achieved, mastering.reason
    assert mastering.tries == 1 or (mastering.tries <= 3 and AudioEncoding(name).is_lossy)


def test_the_report_is_what_another_meter_reads_in_the_file(tmp_path: Path) -> None:
    goal = MasteringSettings(PRESETS["streaming"])
    mastering = master_file(music(), RATE, {}, goal, AudioEncoding("flac", 24), tmp_path / "a")
    decoded, rate = soundfile.read(tmp_path / "a", dtype="float32")
    again = measure(decoded, rate)
    assert again.integrated_lufs == mastering.after.integrated_lufs
    assert again.true_peak_db == mastering.after.true_peak_db


def test_a_format_of_another_rate_is_resampled_before_it_is_limited(tmp_path: Path) -> None:
    samples = music(8, rate=44_100)
    goal = MasteringSettings(MasteringTarget(-12, -1))
    mastering = master_file(samples, 44_100, {}, goal, AudioEncoding("opus"), tmp_path / "a")
    assert mastering.sample_rate_hz == 48_000
    assert soundfile.info(tmp_path / "a").frames == pytest.approx(8 * 48_000, abs=4)
    check(mastering)
    assert mastering.before.integrated_lufs == measure(samples, 44_100).integrated_lufs


def test_progress_rises_to_one_and_stops_the_work_where_it_raises(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    seen: list[tuple[float, str]] = []
    goal = MasteringSettings(MasteringTarget(-10, -1))
    arguments = (music(), RATE, {}, goal, AudioEncoding("mp3"), tmp_path / "a")
    master_file(*arguments, report_progress=lambda share, doing: seen.append((share, doing)))
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {"measuring", "finding the gain", "encoding", "measuring the file"} <= {
        doing for _, doing in seen
    }

    def stop(share: float, doing: str) -> None:
        if doing == "encoding":
            raise Stopped

    with pytest.raises(Stopped):
        master_file(*arguments, report_progress=stop)


def test_the_report_is_json_also_for_what_is_silent_in_part() -> None:
    quiet_start = np.concatenate([np.zeros((RATE * 4, 2), "f4"), music(4)])
    _, mastering = master(quiet_start, RATE, MasteringSettings(PRESETS["ebu"]))
    told = json.loads(json.dumps(report(mastering), allow_nan=False))
    assert told["verification"]["passed"] is True
    assert told["verification"]["after"]["integratedLufs"] == pytest.approx(-23, abs=0.1)
    assert told["curves"]["before"]["momentaryLufs"][0] is None
    assert len(told["curves"]["after"]["shortTermLufs"]) == 80
