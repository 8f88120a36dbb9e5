"""What is measured of a cut-out."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.blend_kernels import mean_spill
from studio_pipelines.media.coverage import FULL, Alpha, Codes
from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.tone_curves import ToneCurves

_LOW, _HIGH = round(0.02 * FULL), round(0.98 * FULL)
_LEAST_SUBJECT: Final = 1e-4
_MOST_SAMPLES: Final = 200_000


def matte_verification(alpha: Alpha) -> dict[str, Any]:
    """Return the range of a matte, how much is subject, and how much is neither yes nor no.

    ``passed`` is False where there is no subject at all.
    """
    height, width = alpha.shape
    counts = np.zeros(3)
    lowest, highest = FULL, 0
    for rows in bands(height, width):
        part = alpha[rows]
        lowest, highest = min(lowest, int(part.min())), max(highest, int(part.max()))
        unsure = int(((part > _LOW) & (part < _HIGH)).sum())
        counts += (part.size, unsure, float(part.sum(dtype=np.float64)) / FULL)
    pixels, unsure, covered = (float(count) for count in counts)
    found = covered / pixels >= _LEAST_SUBJECT
    return {
        "passed": found,
        "alphaMin": round(lowest / FULL, 6),
        "alphaMax": round(highest / FULL, 6),
        "subjectShare": round(covered / pixels, 6),
        "unsureShare": round(unsure / pixels, 6),
        **({} if found else {"reason": "No subject was found."}),
    }


def spill_left(
    codes: Codes, alpha: Alpha, key: NDArray[np.float32] | None, curves: ToneCurves
) -> float | None:
    """Return the mean of a key colour's spill on the pixels that are neither yes nor no, as light.

    None where there is no such pixel, or no key.
    """
    if key is None:
        return None
    samples: list[Any] = []
    step = max(1, round((alpha.size / (20 * _MOST_SAMPLES)) ** 0.5))
    grid, shares = codes[::step, ::step], alpha[::step, ::step]
    for rows in bands(*shares.shape):
        unsure = (shares[rows] > _LOW) & (shares[rows] < _HIGH)
        samples.append(grid[rows][unsure])
    seen = np.concatenate(samples)[:_MOST_SAMPLES].astype(np.int32)
    if not len(seen):
        return None
    index = seen * (257 if codes.dtype == np.uint8 else 1)
    light = np.stack([row[index[:, c]] for c, row in enumerate(curves.light)], axis=-1)
    return round(float(mean_spill(light, key)), 6)
