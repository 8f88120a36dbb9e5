"""Spleeter with its real weights: the networks, and the windows that they work in."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from resources.model_folder import InstalledModel
from studio_pipelines.errors import UnusableModel
from studio_pipelines.media.sample_store import SoundInMemory
from studio_pipelines.models.spleeter import Spleeter, load_spleeter
from studio_pipelines.models.spleeter_separation import SpleeterSeparation

SAMPLES = Path(__file__).parents[3] / "samples"
ALL = ("vocals", "drums", "bass", "other")


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    return soundfile.read(SAMPLES / "music-mix.flac", dtype="float32")[0]


def separated(
    model: Spleeter, samples: np.ndarray, stems: tuple[str, ...], window_frames: int = 576
) -> dict[str, np.ndarray]:
    separation = SpleeterSeparation(model, window_frames=window_frames)
    blocks = list(separation.separate(SoundInMemory(samples), stems))
    return {name: np.concatenate([block[name] for block in blocks]) for name in stems}


def level_db(samples: np.ndarray, reference: np.ndarray) -> float:
    energies = (float(np.square(one, dtype=np.float64).sum()) for one in (samples, reference))
    return 10 * np.log10(next(energies) / next(energies))


def test_a_voice_is_told_from_what_accompanies_it(spleeter: Spleeter) -> None:
    """Songs that nothing was tuned on: the voice over four accompaniments of the same loudness."""
    rows = slice(10 * 44_100, 22 * 44_100)
    stems = {
        name: soundfile.read(SAMPLES / f"music-{name}.flac", dtype="float32")[0][rows]
        for name in ("voice", "drums", "bass", "other", "lead")
    }
    gains: dict[str, tuple[float, float]] = {}
    for parts in ("drums bass other", "drums bass other lead", "bass other", "drums bass"):
        accompaniment = sum(stems[part] for part in parts.split())
        level = np.square(accompaniment).mean() / np.square(stems["voice"]).mean()
        voice = stems["voice"] * np.sqrt(level)
        found = separated(spleeter, voice + accompaniment, ("vocals",))["vocals"]
        # Of the same loudness, and with one error, both have the same signal-to-distortion ratio.
        gains[parts] = (-level_db(found - voice, voice), -level_db(found - voice, accompaniment))
    assert min(min(pair) for pair in gains.values()) >= 7, gains
    assert np.mean(list(gains.values()), axis=0).min() >= 9, gains


def test_windows_have_no_seams(spleeter: Spleeter, song: np.ndarray) -> None:
    whole = separated(spleeter, song, ("vocals", "drums"), window_frames=1024)
    windows = separated(spleeter, song, ("vocals", "drums"), window_frames=320)
    for name in ("vocals", "drums"):
        difference = windows[name] - whole[name]
        assert level_db(difference, song) <= -100
        borders = np.arange(320 * 1024, len(song), 320 * 1024)
        around = np.concatenate([difference[at - 2048 : at + 2048] for at in borders])
        assert np.abs(around).max() <= 1e-4


@pytest.mark.parametrize("frames", [1, 1023, 1024, 5000, 66_000])
def test_the_four_masks_sum_to_one(spleeter: Spleeter, song: np.ndarray, frames: int) -> None:
    part = song[400_000 : 400_000 + frames]
    stems = separated(spleeter, part, ALL)
    assert {len(stem) for stem in stems.values()} == {frames}
    np.testing.assert_allclose(sum(stems.values()), part, atol=2e-6)


def test_a_stem_is_the_same_whatever_is_asked_for_beside_it(
    spleeter: Spleeter, song: np.ndarray
) -> None:
    part = song[:200_000]
    alone, among = separated(spleeter, part, ("vocals",)), separated(spleeter, part, ALL)
    np.testing.assert_allclose(alone["vocals"], among["vocals"], atol=1e-6)


def test_the_level_of_a_song_changes_nothing(spleeter: Spleeter, song: np.ndarray) -> None:
    part = song[600_000:800_000]
    loud = separated(spleeter, part, ("vocals",))["vocals"]
    quiet = separated(spleeter, part / 300, ("vocals",))["vocals"]
    assert level_db(quiet * 300 - loud, part) <= -80


def test_silence_stays_silent(spleeter: Spleeter) -> None:
    stems = separated(spleeter, np.zeros((30_000, 2), np.float32), ALL)
    assert all(not stem.any() for stem in stems.values())


class Payload:
    """Unpickled, it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_a_checkpoint_runs_no_code(spleeter_files: InstalledModel, tmp_path: Path) -> None:
    torch.save({"down1_conv.1.weight": Payload(tmp_path / "touched")}, tmp_path / "evil.ckpt")
    with pytest.raises(UnusableModel, match=r"evil\.ckpt"):
        load_spleeter(tmp_path / "evil.ckpt", spleeter_files.path("accompaniment.ckpt"))
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("kind", ["other tensors", "of another shape", "cut off", "no zip"])
def test_a_damaged_checkpoint_is_refused(
    spleeter_files: InstalledModel, tmp_path: Path, kind: str
) -> None:
    bad, whole = tmp_path / "bad.ckpt", spleeter_files.path("vocals.ckpt")
    if kind == "cut off":
        bad.write_bytes(whole.read_bytes()[:100_000])
    elif kind == "no zip":
        bad.write_bytes(b"not a checkpoint")
    else:
        name = "down1_conv.1.weight" if kind == "of another shape" else "something.weight"
        torch.save({name: np.zeros((1, 2), np.float32)}, bad)
        assert zipfile.is_zipfile(bad)
    with pytest.raises(UnusableModel, match=r"bad\.ckpt"):
        load_spleeter(bad, whole)
