"""Thirty programmes reach their target in every format, or say why they do not."""

from pathlib import Path

import pytest
from varied_programmes import PROGRAMMES

from studio_pipelines.media.audio_encoding import AudioEncoding, AudioFormat
from studio_pipelines.media.encoded_loudness import measure_file
from studio_pipelines.media.loudness import Loudness
from studio_pipelines.media.mastering import Mastering, master_file
from studio_pipelines.media.mastering_target import MasteringSettings, MasteringTarget

STREAMING = MasteringTarget(-14.0, -1.0)
BROADCAST = MasteringTarget(-23.0, -1.0)
LOSSY: tuple[AudioFormat, ...] = ("mp3", "aac", "opus")
# By how much a programme's peaks exceed its loudness, this has to be limited: what no target can.
CANNOT_STREAM = {"sparse clicks", "bursts"}


def mastered(
    name: str, encoding: AudioEncoding, target: MasteringTarget, folder: Path, seconds: float
) -> tuple[Mastering, Loudness]:
    recipe = PROGRAMMES[name]
    samples = recipe.samples(seconds, seed=list(PROGRAMMES).index(name))
    goal = MasteringSettings(target, channel_layout=recipe.layout)
    path = folder / "master"
    mastering = master_file(samples, recipe.rate_hz, {}, goal, encoding, path)
    return mastering, measure_file(path, channel_layout=recipe.layout)


def check(mastering: Mastering, heard: Loudness, target: MasteringTarget) -> None:
    """The file is as it was said to be; what misses the target has its reason."""
    assert heard.integrated_lufs == mastering.after.integrated_lufs
    assert heard.true_peak_db == mastering.after.true_peak_db
    on_target = (
        abs(heard.integrated_lufs - target.target_lufs) <= 0.1
        and heard.true_peak_db <= target.true_peak_db
    )
    assert mastering.achieved == on_target
    assert mastering.reason
    if not on_target:
        assert any(word in mastering.reason for word in ("distort", "codec")), mastering.reason


@pytest.mark.parametrize("name", PROGRAMMES)
def test_lossless(name: str, tmp_path: Path) -> None:
    mastering, heard = mastered(name, AudioEncoding("flac"), STREAMING, tmp_path, 3)
    check(mastering, heard, STREAMING)
    assert heard.true_peak_db <= STREAMING.true_peak_db
    assert mastering.achieved == (name not in CANNOT_STREAM), mastering.reason


@pytest.mark.parametrize("encoding", LOSSY)
@pytest.mark.parametrize("name", ["music", "dense music", "speech", "bursts", "a high tone"])
def test_lossy(name: str, encoding: AudioFormat, tmp_path: Path) -> None:
    mastering, heard = mastered(name, AudioEncoding(encoding), BROADCAST, tmp_path, 3)
    check(mastering, heard, BROADCAST)
    assert mastering.achieved, mastering.reason
