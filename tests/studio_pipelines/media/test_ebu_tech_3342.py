"""EBU Tech 3342, "Loudness range": the minimum requirements test signals, synthesised."""

import numpy as np
import pytest

from studio_pipelines.media.loudness import measure

RATE = 48_000


def steps(levels_db: list[float]) -> np.ndarray:
    n = np.arange(RATE * 20 * len(levels_db))
    level = np.repeat(10 ** (np.array(levels_db) / 20), RATE * 20)
    tone = level * np.sin(2 * np.pi * 1000 / RATE * n)
    return np.repeat(tone[:, None], 2, axis=1).astype("f4")


@pytest.mark.parametrize(
    ("levels_db", "range_lu"),
    [
        pytest.param([-20, -30], 10, id="case-1"),
        pytest.param([-20, -15], 5, id="case-2"),
        pytest.param([-40, -20], 20, id="case-3"),
        pytest.param([-50, -35, -20, -35, -50], 15, id="case-4"),
    ],
)
def test_loudness_range(levels_db: list[float], range_lu: float) -> None:
    assert measure(steps(levels_db), RATE).lra_lu == pytest.approx(range_lu, abs=1.0)


@pytest.mark.parametrize("case", ["case-5-narrow-range", "case-6-wide-range"])
def test_programme_material(case: str) -> None:
    pytest.skip(f"{case}: EBU programme material, which cannot be synthesised or shipped")
