"""Apply a colour look-up table to a picture."""

from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.channel_kernels import PARAMETERS
from studio_pipelines.media.colour_kernel import ColourProgram
from studio_pipelines.media.colour_program import PEAKS, run_program
from studio_pipelines.media.lut_kernels import NEAREST, TETRAHEDRAL, TRILINEAR, look_up_curve
from studio_pipelines.media.lut_table import Float3, Lut
from studio_pipelines.media.picture import Pixels

Interpolation = Literal["tetrahedral", "trilinear", "nearest"]

INTERPOLATIONS: Final = {
    "tetrahedral": TETRAHEDRAL,
    "trilinear": TRILINEAR,
    "nearest": NEAREST,
}
_NO_TABLE: Final = np.zeros((3, 0), np.float32)


def apply_lut(
    pixels: Pixels,
    lut: Lut,
    *,
    interpolation: Interpolation = "tetrahedral",
    intensity: float = 1.0,
    mask: NDArray[Any] | None = None,
    out: Pixels | None = None,
    threads: int | None = None,
) -> Pixels:
    """Look every pixel up in a LUT.

    Inputs outside the LUT's domain are held to its ends; NaN reads as the lower end. Integer
    results are rounded and held to the type's range; float results are as the table gives them.

    Args:
        pixels: uint8, uint16 or float32, shape (height, width, 3 or 4). Alpha is passed on
            untouched. Integers stand for 0 to 1 over their whole range.
        lut: The table.
        interpolation: How to read between the 3D table's points.
        intensity: Share of the result, 0 to 1, the rest being the input.
        mask: uint8, uint16 or float32, shape (height, width); scales the intensity at each pixel,
            full at 255, 65535 or 1.
        out: Where to write, of the pixels' shape and type; may be ``pixels``.
        threads: How many threads; by default one for each core this process may use.

    Returns:
        ``out``, or a new array.

    Raises:
        InvalidParameter: A value, shape or type does not fit; the message says which.
    """
    check_mix(interpolation, intensity)
    program = _lut_program(lut, interpolation, intensity, pixels.dtype.name)
    return run_program(program, pixels, mask=mask, out=out, threads=threads)


def check_mix(interpolation: str, intensity: float) -> None:
    """Refuse an unknown interpolation and an intensity outside 0 to 1."""
    if interpolation not in INTERPOLATIONS:
        raise InvalidParameter(
            f"interpolation is {interpolation!r}; it must be tetrahedral, trilinear or nearest.",
            field="interpolation",
        )
    if not 0 <= intensity <= 1:
        raise InvalidParameter(f"intensity is {intensity}; it must be 0 to 1.", field="intensity")


@lru_cache(maxsize=2)  # a program may hold tens of megabytes
def _lut_program(lut: Lut, interpolation: str, intensity: float, pixel_type: str) -> ColourProgram:
    return lut_program(lut, interpolation, intensity, PEAKS.get(pixel_type, 1.0))


def lut_program(
    lut: Lut | None, interpolation: str, intensity: float, peak: float
) -> ColourProgram:
    """Return the program of a lone LUT; for integers its shaper becomes a table of all codes."""
    program = ColourProgram(
        code_curves=_NO_TABLE,
        channels=np.zeros((3, len(PARAMETERS)), np.float32),
        channel_stages=0,
        saturation=np.float32(-1),
        shaper=_NO_TABLE,
        shaper_domain=np.zeros((3, 2), np.float32),
        lattice=np.zeros(0, np.float32),
        edge=0,
        domain=np.zeros((3, 2), np.float32),
        interpolation=INTERPOLATIONS[interpolation],
        intensity=np.float32(intensity),
        peak=np.float32(peak),
    )
    if lut is not None and lut.table is not None:
        edge = len(lut.table)
        domain = _positions(lut.domain_min, lut.domain_max, edge)
        program = program._replace(lattice=lut.lattice.reshape(-1), edge=edge, domain=domain)
    if lut is not None and lut.shaper is not None:
        domain = _positions(lut.shaper_min, lut.shaper_max, len(lut.shaper))
        shaper = np.ascontiguousarray(lut.shaper.T)
        program = program._replace(shaper=shaper, shaper_domain=domain)
    if peak == 1 or program.shaper.size == 0:
        return program
    codes = np.arange(int(peak) + 1) / peak
    return fold_shaper(program._replace(code_curves=np.stack([codes] * 3).astype(np.float32)))


def fold_shaper(program: ColourProgram) -> ColourProgram:
    """Move a program's shaper into its code curves; the saturation must not stand between."""
    curves = program.code_curves.copy()
    for channel, (scale, bias) in enumerate(program.shaper_domain):
        look_up_curve(curves[channel], program.shaper[channel], scale, bias)
    return program._replace(code_curves=curves, shaper=_NO_TABLE)


def _positions(low: Float3, high: Float3, size: int) -> NDArray[np.float32]:
    """Return (3, 2): the factor and offset that map each channel's range to 0 … size - 1."""
    scales = [(size - 1) / (b - a) for a, b in zip(low, high, strict=True)]
    return np.array([(s, -a * s) for s, a in zip(scales, low, strict=True)], np.float32)
