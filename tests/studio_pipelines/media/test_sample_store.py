"""Scratch files of samples, blocks taken in other lengths, and what a sound passes on its way."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.audio import AudioClip
from studio_pipelines.media.downmix import downmix_matrix
from studio_pipelines.media.feed import Feed
from studio_pipelines.media.sample_store import SampleStore, SoundInMemory, read_padded
from studio_pipelines.media.separation_input import as_stereo_at, programme_of


def noise(frames: int, channels: int) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-1, 1, (frames, channels)).astype(np.float32)


def test_what_is_appended_can_be_read_anywhere(tmp_path: Path) -> None:
    samples = noise(1000, 2)
    with SampleStore(tmp_path / "raw", 2) as store:
        for start, stop in ((0, 300), (300, 300), (300, 1000)):
            store.append(samples[start:stop])
            np.testing.assert_array_equal(store.read(0, stop), samples[:stop])
        np.testing.assert_array_equal(store.read(250, 350), samples[250:350])
        assert store.frames == 1000
        assert store.peak == np.abs(samples).max()
        padded = read_padded(store, -5, 1005)
        assert not padded[:5].any()
        assert not padded[-5:].any()
        np.testing.assert_array_equal(padded[5:-5], samples)
        assert not read_padded(store, 2000, 2010).any()
    assert not (tmp_path / "raw").exists()


@settings(max_examples=50)
@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 40))
def test_a_feed_gives_all_in_the_lengths_asked_for(lengths: list[int], wanted: int) -> None:
    samples = noise(sum(lengths), 2)
    ends = np.cumsum([0, *lengths])
    feed = Feed(samples[a:b] for a, b in itertools.pairwise(ends))
    taken: list[np.ndarray] = []
    while (block := feed.take(wanted)) is not None:
        taken.append(block)
    assert all(len(block) == wanted for block in taken[:-1])
    np.testing.assert_array_equal(np.concatenate([np.empty((0, 2)), *taken]), samples)


@pytest.mark.parametrize(
    ("layout", "left"),
    [
        ("5.1", [1, 0, 0.7071, 0, 0.7071, 0]),
        ("5.1(side)", [1, 0, 0.7071, 0, 0.7071, 0]),
        ("7.1", [1, 0, 0.7071, 0, 0.7071, 0, 0.7071, 0]),
        ("quad", [1, 0, 0.7071, 0]),
        ("3.0", [1, 0, 0.7071]),
    ],
)
def test_surround_is_mixed_after_bs_775(layout: str, left: list[float]) -> None:
    matrix = downmix_matrix(len(left), layout)
    np.testing.assert_allclose(matrix[:, 0], left, atol=1e-4)
    mirrored = dict(zip(range(len(left)), left, strict=True))
    assert matrix[0, 1] == 0
    assert matrix[1, 1] == mirrored[0]


def test_a_stereo_clip_at_the_rate_is_not_copied(tmp_path: Path) -> None:
    clip = AudioClip(noise(5000, 2), 44_100, "stereo")
    with programme_of(clip, 44_100, tmp_path) as programme:
        assert np.shares_memory(programme.read(0, 10), clip.samples)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000])
def test_a_programme_keeps_time_through_changes_of_its_rate(
    tmp_path: Path, channels: int, rate_hz: int
) -> None:
    time_s = np.arange(rate_hz) / rate_hz
    tone = (0.3 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    samples = np.zeros((rate_hz, channels), np.float32)
    samples[:, : min(channels, 2)] = tone[:, None]
    with (
        programme_of(AudioClip(samples, rate_hz, layout), rate_hz, tmp_path) as programme,
        as_stereo_at(programme, rate_hz, 44_100, tmp_path) as heard,
    ):
        assert programme.channels == min(channels, 2)
        assert (heard.channels, heard.frames) == (2, 44_100)
        expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
        inner = slice(2000, -2000)
        for channel in heard.read(0, heard.frames).T:
            np.testing.assert_allclose(channel[inner], expected[inner], atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "says"),
    [(np.full((100, 1), np.nan, np.float32), 44_100, "NaN"), (noise(100, 1), 4_000, "4000")],
)
def test_what_cannot_be_separated_is_refused(
    tmp_path: Path, samples: np.ndarray, rate_hz: int, says: str
) -> None:
    has_nan = not bool(np.isfinite(samples).all())
    clip = AudioClip(samples, rate_hz, "mono", has_non_finite=has_nan)
    with pytest.raises(UnusableMedia, match=says), programme_of(clip, rate_hz, tmp_path):
        pass


def test_a_sound_in_memory_tells_its_size() -> None:
    sound = SoundInMemory(noise(7, 3))
    assert (sound.frames, sound.channels) == (7, 3)
