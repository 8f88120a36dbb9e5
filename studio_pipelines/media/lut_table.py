"""The record of a colour look-up table."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from studio_pipelines.errors import UnusableMedia

MAX_SHAPER_SIZE: Final = 65536
MAX_TABLE_SIZE: Final = 256

Float3 = tuple[float, float, float]
_ZERO: Final[Float3] = (0.0, 0.0, 0.0)
_ONE: Final[Float3] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Lut:
    """A 3D table, a shaper (1D table), or a shaper that feeds a 3D table.

    Two records are equal only if they are the same object, so that a LUT can key a cache.

    Attributes:
        table: float32, shape (n, n, n, 3), indexed [blue, green, red]: red runs fastest, as in
            a .cube file. None for a 1D LUT.
        shaper: float32, shape (m, 3): one curve for each channel. None where there is none.
        domain_min: Input value of the 3D table's first lattice point, per channel.
        domain_max: Input value of its last one.
        shaper_min: Input value of the shaper's first entry, per channel.
        shaper_max: Input value of its last one.
        title: The name that the file gives itself.

    Raises:
        UnusableMedia: There is no table, or one has a wrong shape, size, value or domain.
    """

    table: npt.NDArray[np.float32] | None = None
    shaper: npt.NDArray[np.float32] | None = None
    domain_min: Float3 = _ZERO
    domain_max: Float3 = _ONE
    shaper_min: Float3 = _ZERO
    shaper_max: Float3 = _ONE
    title: str = ""

    def __post_init__(self) -> None:
        if self.table is None and self.shaper is None:
            raise UnusableMedia("The LUT holds no table.", field="lut")
        if self.table is not None:
            edge = self.table.shape[0]
            check_size("LUT_3D_SIZE", edge, MAX_TABLE_SIZE)
            _check_values(self.table, (edge, edge, edge, 3))
        if self.shaper is not None:
            check_size("LUT_1D_SIZE", self.shaper.shape[0], MAX_SHAPER_SIZE)
            _check_values(self.shaper, (self.shaper.shape[0], 3))
        _check_domain(self.domain_min, self.domain_max)
        _check_domain(self.shaper_min, self.shaper_max)

    @cached_property
    def lattice(self) -> npt.NDArray[np.float32]:
        """The 3D table as float32 (n³, 4): a fourth lane of zeros makes a point one vector."""
        if self.table is None:
            return np.zeros((0, 4), np.float32)
        padded = np.zeros((self.table.shape[0] ** 3, 4), np.float32)
        padded[:, :3] = self.table.reshape(-1, 3)
        return padded


def weakened(lut: Lut, strength: float) -> Lut:
    """Return a LUT over 0 to 1 without a shaper, mixed with the identity: exactly, by its points.

    Args:
        lut: The LUT.
        strength: Its share, 0 to 1.
    """
    assert lut.table is not None
    assert lut.shaper is None
    if strength == 1:
        return lut
    axis = np.linspace(0, 1, len(lut.table), dtype=np.float32)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    straight = np.stack([red, green, blue], axis=-1)
    mixed = straight + (lut.table - straight) * np.float32(strength)
    return replace(lut, table=mixed)


def check_size(keyword: str, size: int, largest: int) -> None:
    """Refuse a table that has fewer than 2 or more than ``largest`` entries along an edge."""
    if not 2 <= size <= largest:
        raise UnusableMedia(f"{keyword} is {size}; it must be 2 to {largest}.", field="lut")


def _check_values(values: npt.NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if values.shape != shape or values.dtype != np.float32:
        raise UnusableMedia(
            f"The LUT's table is {values.dtype} {values.shape}; it must be float32 {shape}.",
            field="lut",
        )
    if not np.isfinite(values).all():
        raise UnusableMedia("The LUT holds a value that is not a finite number.", field="lut")


def _check_domain(low: Float3, high: Float3) -> None:
    ordered = all(a < b for a, b in zip(low, high, strict=True))
    if not ordered or not np.isfinite((*low, *high)).all():
        raise UnusableMedia(
            f"The LUT's domain runs from {low} to {high}; each maximum must be above its minimum.",
            field="lut",
        )
