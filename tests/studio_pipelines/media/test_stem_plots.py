"""What a stem's picture shows."""

import io

import numpy as np
import pytest
from PIL import Image

from studio_pipelines.media.sample_store import SoundInMemory
from studio_pipelines.media.spectrogram import MOST_COLUMNS, spectrogram
from studio_pipelines.media.stem_plots import stem_picture


def tone(frames: int, frequency_hz: float, rate_hz: int) -> SoundInMemory:
    samples = 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(frames) / rate_hz)
    return SoundInMemory(np.repeat(samples.astype(np.float32)[:, None], 2, axis=1))


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("frames", [1000, 1_014_300, 511 * 1000 + 7])
def test_a_tone_is_where_it_belongs_and_as_loud(rate_hz: int, frames: int) -> None:
    drawn = spectrogram(tone(frames, 1000, rate_hz), rate_hz)
    assert len(drawn.lowest) <= MOST_COLUMNS
    assert drawn.times_s[-1] == pytest.approx(frames / rate_hz)
    assert drawn.highest.max() == pytest.approx(0.5, abs=0.01)
    assert drawn.lowest.min() == pytest.approx(-0.5, abs=0.01)
    if frames < 4096:
        return
    column = drawn.levels_db[:, len(drawn.lowest) // 2]
    loudest = int(np.argmax(column))
    edges = drawn.frequencies_hz[loudest : loudest + 2]
    assert edges[0] * 0.96 <= 1000 <= edges[1] * 1.04
    near = column[max(0, loudest - 12) : loudest + 13]
    power = np.sum(10 ** (near / 10))
    assert 10 * np.log10(power) == pytest.approx(-6 + 1.76, abs=0.5)


def test_a_moment_that_is_louder_is_seen_in_a_long_sound() -> None:
    samples = np.zeros((4_000_000, 1), np.float32)
    samples[2_000_000] = 1.0
    drawn = spectrogram(SoundInMemory(samples), 44_100)
    assert np.count_nonzero(drawn.highest) == 1


@pytest.mark.parametrize("frames", [1, 100, 44_100])
def test_every_sound_has_a_picture(frames: int) -> None:
    for sound in (tone(frames, 440, 44_100), SoundInMemory(np.zeros((frames, 1), np.float32))):
        with Image.open(io.BytesIO(stem_picture(sound, 44_100, "noDrums"))) as picture:
            assert picture.format == "PNG"
            assert picture.size == (1200, 552)
