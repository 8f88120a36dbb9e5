"""An album is gated as the one programme that it is, and gets one gain."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.media.album import album_loudness
from studio_pipelines.media.audio_encoding import AudioEncoding
from studio_pipelines.media.encoded_loudness import decoded_blocks
from studio_pipelines.media.loudness import measure
from studio_pipelines.media.mastering import Mastering, master_file
from studio_pipelines.media.mastering_preparation import plan_album, prepared
from studio_pipelines.media.mastering_target import MasteringSettings, MasteringTarget, Mode

RATE = 48_000


def track(seconds: float, level_db: float, seed: int, rate: int = RATE) -> np.ndarray:
    """Decaying noise twice a second, silent at its end."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate)) / rate
    level = np.exp(-(time_s % 0.5) / 0.08) + 0.3
    level[-rate // 5 :] = 0
    samples = level[:, None] * rng.standard_normal((len(time_s), 2))
    return (10 ** (level_db / 20) * samples).astype("f4")


@given(
    lengths=st.lists(st.integers(10, 60), min_size=1, max_size=5),
    levels=st.lists(st.floats(-60, -6), min_size=5, max_size=5),
)
@settings(max_examples=20, deadline=None)
def test_it_is_what_the_tracks_measure_in_a_row(lengths: list[int], levels: list[float]) -> None:
    tracks = [track(n / 10, level, n) for n, level in zip(lengths, levels, strict=False)]
    together = album_loudness([measure(one, RATE) for one in tracks])
    whole = measure(np.concatenate(tracks), RATE)
    assert together.integrated_lufs == pytest.approx(whole.integrated_lufs, abs=1e-4)
    assert together.lra_lu == pytest.approx(whole.lra_lu, abs=0.01)
    assert together.true_peak_db == pytest.approx(whole.true_peak_db, abs=1e-3)
    assert together.max_momentary_lufs == pytest.approx(whole.max_momentary_lufs, abs=1e-3)


def test_a_single_track_is_itself() -> None:
    alone = measure(track(5, -20, 1), RATE)
    assert album_loudness([alone]).integrated_lufs == alone.integrated_lufs


TRACKS = [track(8, -16, 1), track(5, -28, 2), track(6, -22, 3, 44_100)]
RATES = [RATE, RATE, 44_100]


def mastered(
    folder: Path, encoding: AudioEncoding, target: MasteringTarget, mode: Mode = "auto"
) -> list[tuple[Mastering, np.ndarray, int]]:
    goal = MasteringSettings(target, mode)
    ready = [
        prepared(samples, rate, encoding.sample_rate_hz(rate), goal, folder).programme
        for samples, rate in zip(TRACKS, RATES, strict=True)
    ]
    plan = plan_album(ready, goal, encoding)
    made = []
    for n, (samples, rate) in enumerate(zip(TRACKS, RATES, strict=True)):
        path = folder / f"{n}"
        mastering = master_file(samples, rate, {}, goal, encoding, path, album=plan)
        found, _, _, blocks = decoded_blocks(path)
        made.append((mastering, np.concatenate(list(blocks)), found))
    return made


@pytest.mark.parametrize("name", ["flac", "mp3"])
@pytest.mark.parametrize("target_lufs", [-23.0, -13.0])
def test_the_album_is_on_target_and_its_tracks_keep_their_distances(
    tmp_path: Path, name: str, target_lufs: float
) -> None:
    made = mastered(tmp_path, AudioEncoding(name), MasteringTarget(target_lufs, -1))  # type: ignore[arg-type]
    assert all(mastering.achieved for mastering, _, _ in made), [m.reason for m, _, _ in made]
    together = album_loudness([measure(samples, rate) for _, samples, rate in made])
    assert together.integrated_lufs == pytest.approx(target_lufs, abs=0.1)
    assert together.true_peak_db <= -1
    if name == "flac":
        assert len({mastering.plan.gain_db for mastering, _, _ in made}) == 1
    if target_lufs == -23:
        moved = [m.after.integrated_lufs - m.before.integrated_lufs for m, _, _ in made]
        assert max(moved) - min(moved) < 0.1 + 2 * 0.1 * (name == "mp3")


def test_an_album_that_cannot_be_that_loud_says_so_on_each_track(tmp_path: Path) -> None:
    made = mastered(tmp_path, AudioEncoding("flac"), MasteringTarget(-5, -9), "linear")
    for mastering, _, _ in made:
        assert not mastering.achieved
        assert "linear mode does not limit" in mastering.reason
        assert mastering.after.true_peak_db <= -9
