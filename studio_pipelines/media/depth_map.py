"""A depth map with what its numbers mean."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.interruptible import bands

Unit = Literal["relative", "m", "1/m"]
Polarity = Literal["nearIsLarge", "farIsLarge"]


@dataclass(frozen=True, eq=False)
class DepthMap:
    """One value a pixel.

    Attributes:
        values: float32, shape (height, width).
        unit: ``relative`` is inverse depth up to scale and shift.
        polarity: Which way the values go.
        low: The smallest.
        high: The largest.
    """

    values: NDArray[np.float32]
    unit: Unit
    polarity: Polarity
    low: float
    high: float

    def describe(self) -> dict[str, Any]:
        """Return what an answer tells of it."""
        return {
            "unit": self.unit,
            "polarity": self.polarity,
            "min": round(self.low, 6),
            "max": round(self.high, 6),
        }


def mapped(values: NDArray[np.float32], unit: Unit, polarity: Polarity) -> DepthMap:
    """Return a map with the ends of its range; values that are not finite are left out of those."""
    low, high = np.inf, -np.inf
    for rows in bands(*values.shape):
        finite = values[rows][np.isfinite(values[rows])]
        if len(finite):
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        low = high = 0.0
    return DepthMap(values, unit, polarity, low, high)


def oriented(
    values: NDArray[np.float32],
    *,
    in_metres: bool,
    as_metric: bool,
    invert: bool,
    most_m: float | None,
) -> DepthMap:
    """Turn a network's values, in place, into what was asked for.

    Args:
        values: Inverse depth up to scale and shift, or metres.
        in_metres: Which.
        as_metric: Whether metres are asked for, else something that rises with nearness.
        invert: Whether the other way round.
        most_m: Where metres are cut off, or None.
    """
    if not in_metres:
        found = mapped(values, "relative", "nearIsLarge")
        if not invert:
            return found
        for rows in bands(*values.shape):
            values[rows] = np.float32(found.low + found.high) - values[rows]
        return DepthMap(values, "relative", "farIsLarge", found.low, found.high)
    gives_inverse = invert if as_metric else not invert
    for rows in bands(*values.shape):
        part = np.maximum(values[rows], np.float32(1e-4))
        part = part if most_m is None else np.minimum(part, np.float32(most_m))
        values[rows] = 1 / part if gives_inverse else part
    if gives_inverse:
        return mapped(values, "1/m", "nearIsLarge")
    return mapped(values, "m", "farIsLarge")


def shares_of(found: DepthMap, rows: slice) -> NDArray[np.float32]:
    """Return rows from 0 for the smallest value to 1 for the largest; what is not finite is 0."""
    span = found.high - found.low
    if span <= 0:
        return np.zeros_like(found.values[rows])
    shares = (found.values[rows] - np.float32(found.low)) / np.float32(span)
    return np.clip(np.nan_to_num(shares, nan=0, posinf=0, neginf=0), 0, 1)


def colour_table(name: str) -> NDArray[np.uint8]:
    """Return 256 sRGB colours by matplotlib's name of a map, or ``grey``."""
    import matplotlib as mpl

    table = mpl.colormaps["gray" if name == "grey" else name](np.arange(256))
    return np.rint(np.asarray(table)[:, :3] * 255).astype(np.uint8)


def coloured(shares: NDArray[np.float32], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return shares, 0 to 1, as colours: (height, width, 3)."""
    return table[np.rint(shares * 255).astype(np.uint8)]
