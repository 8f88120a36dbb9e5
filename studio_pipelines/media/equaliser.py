"""Equaliser curves: gains over frequency, from a few tone controls or drawn freely."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TILT_PIVOT_HZ = 1000.0
LOW_SHELF_HZ = 120.0
HIGH_SHELF_HZ = 8000.0
_TILT_ENDS_HZ = (31.5, 16_000.0)
_GRID_HZ = 20.0 * 2 ** (np.arange(241) / 24)  # 24 an octave, to 20.5 kHz


@dataclass(frozen=True, eq=False)
class EqCurve:
    """A gain over frequency, straight between its points on a logarithmic axis, level outside.

    Attributes:
        frequencies_hz: (points,) float64, rising.
        gains_db: (points,) float64.
    """

    frequencies_hz: NDArray[np.float64]
    gains_db: NDArray[np.float64]

    def at(self, frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the gain in dB at any frequencies; at 0 Hz that of the lowest point."""
        octaves = np.log2(np.maximum(frequencies_hz, 1e-3))
        return np.interp(octaves, np.log2(self.frequencies_hz), self.gains_db)

    def __add__(self, other: "EqCurve") -> "EqCurve":
        """Give both one after the other."""
        points = np.union1d(self.frequencies_hz, other.frequencies_hz)
        return EqCurve(points, self.at(points) + other.at(points))


@dataclass(frozen=True)
class ToneControls:
    """Three controls of a mastering equaliser.

    Attributes:
        tilt_db_per_octave: Slope about 1 kHz from 31.5 Hz to 16 kHz; more than 0 is brighter.
        low_db: Shelf whose gain is half of this at 120 Hz, and all of it below.
        high_db: Shelf whose gain is half of this at 8 kHz, and all of it above.
    """

    tilt_db_per_octave: float = 0.0
    low_db: float = 0.0
    high_db: float = 0.0

    @property
    def is_flat(self) -> bool:
        """Whether they change nothing."""
        return not (self.tilt_db_per_octave or self.low_db or self.high_db)

    def curve(self) -> EqCurve:
        """Give what they do to each frequency."""
        tilted = np.log2(np.clip(_GRID_HZ, *_TILT_ENDS_HZ) / TILT_PIVOT_HZ)
        low = self.low_db / (1 + (_GRID_HZ / LOW_SHELF_HZ) ** 2)
        high = self.high_db / (1 + (HIGH_SHELF_HZ / _GRID_HZ) ** 2)
        return EqCurve(_GRID_HZ, self.tilt_db_per_octave * tilted + low + high)
