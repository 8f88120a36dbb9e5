"""EBU Tech 3341, "Loudness metering: EBU mode": minimum requirements test signals, synthesised."""

import numpy as np
import pytest
import soxr

from studio_pipelines.media.loudness import measure

RATE = 48_000
Segment = tuple[float, float]


def tone(segments: list[Segment], channels: int = 2) -> np.ndarray:
    """A 1000 Hz tone through (level in dBFS, seconds) segments, in phase in all channels."""
    level = np.concatenate(
        [np.full(round(seconds * RATE), 10 ** (db / 20)) for db, seconds in segments]
    )
    wave = level * np.sin(2 * np.pi * 1000 / RATE * np.arange(len(level)))
    return np.repeat(wave[:, None], channels, axis=1).astype("f4")


SILENT = -np.inf
INTEGRATED: dict[str, tuple[list[Segment], float]] = {
    "case-1": ([(-23, 20)], -23),
    "case-2": ([(-33, 20)], -33),
    "case-3": ([(-36, 10), (-23, 60), (-36, 10)], -23),
    "case-4": ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
    "case-5": ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
}


@pytest.mark.parametrize("case", INTEGRATED)
def test_integrated(case: str) -> None:
    segments, expected = INTEGRATED[case]
    loudness = measure(tone(segments), RATE)
    assert loudness.integrated_lufs == pytest.approx(expected, abs=0.1)
    if len(segments) == 1:
        assert loudness.max_momentary_lufs == pytest.approx(expected, abs=0.1)
        assert loudness.max_short_term_lufs == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("layout", "levels_db"),
    [("5.0", [-28, -28, -24, -30, -30]), ("5.1", [-28, -28, -24, SILENT, -30, -30])],
)
def test_case_6_weights_the_surround_channels(layout: str, levels_db: list[float]) -> None:
    samples = tone([(0, 20)], len(levels_db)) * (10 ** (np.array(levels_db) / 20)).astype("f4")
    loudness = measure(samples, RATE, channel_layout=layout)
    assert loudness.integrated_lufs == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("case", ["case-7-narrow-range", "case-8-wide-range"])
def test_programme_material(case: str) -> None:
    pytest.skip(f"{case}: EBU programme material, which cannot be synthesised or shipped")


def test_case_9_short_term_is_constant() -> None:
    loudness = measure(tone([(-20, 1.34), (-30, 1.66)] * 5), RATE)
    np.testing.assert_allclose(loudness.short_term_lufs[30:], -23, atol=0.1)


@pytest.mark.parametrize("i", range(20))
def test_case_10_max_short_term_at_any_offset(i: int) -> None:
    loudness = measure(tone([(SILENT, i * 0.15), (-23, 3), (SILENT, 1)]), RATE)
    assert loudness.max_short_term_lufs == pytest.approx(-23, abs=0.1)


def test_case_11_max_short_term_follows_rising_tones() -> None:
    segments: list[Segment] = []
    for i in range(20):
        segments += [(SILENT, i * 0.15), (-38 + i, 3), (SILENT, 3 - i * 0.15)]
    curve = measure(tone(segments), RATE).short_term_lufs
    maxima = [curve[: (i + 1) * 60].max() for i in range(20)]
    # Read at 10 Hz, a tone that starts between two readings is caught 50 ms late: 0.08 LU at most.
    np.testing.assert_allclose(maxima, np.arange(-38, -18), atol=0.1)


def test_case_12_momentary_is_constant() -> None:
    loudness = measure(tone([(-20, 0.18), (-30, 0.22)] * 25), RATE)
    np.testing.assert_allclose(loudness.momentary_lufs[10:], -23, atol=0.1)


@pytest.mark.parametrize("i", range(20))
def test_case_13_max_momentary_at_any_offset(i: int) -> None:
    loudness = measure(tone([(SILENT, i * 0.02), (-23, 0.4), (SILENT, 1)]), RATE)
    assert loudness.max_momentary_lufs == pytest.approx(-23, abs=0.1)


def test_case_14_max_momentary_follows_rising_tones() -> None:
    segments: list[Segment] = []
    for i in range(20):
        segments += [(SILENT, i * 0.02), (-38 + i, 0.4), (SILENT, 0.4 - i * 0.02)]
        loudness = measure(tone(segments), RATE)
        assert loudness.max_momentary_lufs == pytest.approx(-38 + i, abs=0.1)


def faded(wave: np.ndarray) -> np.ndarray:
    """In both channels, faded in and out so that the ends add no peak of their own."""
    n = np.arange(len(wave))
    fade = np.minimum(1, np.minimum(n, n[::-1]) / 2400)
    return np.repeat((wave * fade)[:, None], 2, axis=1).astype("f4")


@pytest.mark.parametrize(
    ("divisor", "amplitude", "phase_deg", "expected_db"),
    [
        pytest.param(4, 0.50, 0, -6, id="case-15"),
        pytest.param(4, 0.50, 45, -6, id="case-16"),
        pytest.param(6, 0.50, 60, -6, id="case-17"),
        pytest.param(8, 0.50, 67.5, -6, id="case-18"),
        pytest.param(4, 1.41, 45, 3, id="case-19"),
    ],
)
def test_true_peak_of_a_tone(
    divisor: int, amplitude: float, phase_deg: float, expected_db: float
) -> None:
    n = np.arange(RATE)
    wave = amplitude * np.sin(2 * np.pi * n / divisor + np.deg2rad(phase_deg))
    assert -0.4 <= measure(faded(wave), RATE).true_peak_db - expected_db <= 0.2


@pytest.mark.parametrize("offset", [pytest.param(i, id=f"case-{20 + i}") for i in range(4)])
def test_true_peak_of_one_louder_period(offset: int) -> None:
    """One period at full scale in a tone of half of it, made at 4 times the rate, brought down."""
    period = 4 * 6
    n = np.arange(4 * RATE)
    wave = 0.5 * np.sin(2 * np.pi * n / period)
    middle = len(n) // 2 // period * period
    wave[middle : middle + period] *= 2
    wave = soxr.resample(np.roll(wave, offset), 4 * RATE, RATE, quality="VHQ")
    assert -0.4 <= measure(faded(wave), RATE).true_peak_db <= 0.2
