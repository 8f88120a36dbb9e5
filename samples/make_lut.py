"""Write ``warm_dusk.cube``: soft contrast, warm highlights, teal shadows."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.lut_formats import format_cube
from studio_pipelines.media.lut_table import Lut

SIZE = 33
LUMA = np.array([0.2126, 0.7152, 0.0722])
TEAL_SHADOWS = np.array([-0.030, 0.012, 0.034])
WARM_HIGHLIGHTS = np.array([0.040, 0.010, -0.055])


def smooth_step(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cubic that leaves 0 and arrives at 1 without a corner."""
    t = np.clip(x, 0, 1)
    return t * t * (3 - 2 * t)


def warm_dusk(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the look of sRGB code values of shape (..., 3), 0 to 1."""
    curve = 0.75 * rgb + 0.25 * smooth_step(rgb)
    toned = 0.018 + 0.968 * curve
    luma = (toned @ LUMA)[..., None]
    # The tints fade out towards black and white, so neither is coloured.
    shadows = smooth_step(1 - luma / 0.6) * smooth_step(luma / 0.12)
    highlights = smooth_step((luma - 0.35) / 0.5) * smooth_step((1.02 - luma) / 0.15)
    tinted = toned + TEAL_SHADOWS * shadows + WARM_HIGHLIGHTS * highlights
    grey = (tinted @ LUMA)[..., None]
    return np.clip(grey + 0.94 * (tinted - grey), 0, 1)


def make_lut() -> Lut:
    """Return the look sampled on a 33-point cube."""
    axis = np.linspace(0, 1, SIZE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    table = warm_dusk(np.stack([red, green, blue], axis=-1))
    return Lut(table=np.round(table, 6).astype(np.float32), title="Warm Dusk")


if __name__ == "__main__":
    Path(__file__).with_name("warm_dusk.cube").write_bytes(format_cube(make_lut()))
