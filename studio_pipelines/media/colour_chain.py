"""Several stages over a picture, chunk by chunk in float32, so that nothing is rounded between."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.colour_kernel import ColourProgram, mix, run_block_rows
from studio_pipelines.media.colour_program import (
    NO_WEIGHTS,
    PEAKS,
    check_pixels,
    in_row_blocks,
    mask_weights,
)
from studio_pipelines.media.picture import Pixels
from studio_pipelines.media.pixel_kernels import FLOAT_BYTES, normalise, store

Stage = Callable[[NDArray[np.float32]], None]
"""Changes pixels in place: float32 of shape (n, 3 or 4), C-contiguous; alpha is left alone."""

_Floats = NDArray[np.float32]
_U32: Final = np.uint32


@dataclass(frozen=True)
class Chain:
    """What is done to each pixel, in order.

    Attributes:
        before: Stages that lead into the space that the programs act in.
        programs: Float programs; the last one's result is mixed with what the first one got.
        intensity: Share of the result in that mix, 0 to 1; a mask scales it.
        after: Stages that lead out again.
    """

    before: tuple[Stage, ...] = ()
    programs: tuple[ColourProgram, ...] = ()
    intensity: float = 1.0
    after: tuple[Stage, ...] = ()


def run_chain(
    chain: Chain,
    pixels: Pixels,
    *,
    out: Pixels,
    mask: NDArray[Any] | None = None,
    dither: bool = False,
    threads: int | None = None,
) -> Pixels:
    """Run a chain over a picture.

    Args:
        chain: What to do.
        pixels: uint8, uint16 or float32, shape (height, width, 3 or 4).
        out: Where to write, of the pixels' shape and of any of these types; may be ``pixels``.
        mask: uint8, uint16 or float32 of shape (height, width), full at 255, 65535 or 1.
        dither: Whether to add triangular noise of two code values before integers are rounded.
        threads: How many threads; by default one for each core this process may use.

    Returns:
        ``out``.

    Raises:
        InvalidParameter: A shape, a type or the number of threads does not fit.
    """
    check_pixels(pixels, mask, out, threads)
    height, width, lanes = pixels.shape

    def run_rows(rows: slice) -> None:
        source = np.ascontiguousarray(pixels[rows]).reshape(-1)
        values = np.empty(source.size, np.float32)
        normalise(source, np.float32(PEAKS[pixels.dtype.name]), values)
        weights = NO_WEIGHTS if mask is None else mask_weights(mask[rows])
        _run_stages(chain, values.reshape(-1, lanes), weights)
        dense = np.empty(source.size, out.dtype)
        peak = np.float32(PEAKS[out.dtype.name])
        if dither and out.dtype.itemsize < FLOAT_BYTES:
            _store_dithered(values, lanes, peak, rows.start * width * lanes, dense)
        else:
            store(values, peak, dense)
        out[rows] = dense.reshape(out[rows].shape)

    in_row_blocks(run_rows, height, width, threads)
    return out


def _run_stages(chain: Chain, values: _Floats, weights: _Floats) -> None:
    lanes = values.shape[1]
    for stage in chain.before:
        stage(values)
    flat = values.reshape(-1)
    mixing = chain.programs and (weights.size > 0 or chain.intensity < 1)
    untouched = flat.copy() if mixing else flat
    for program in chain.programs:
        run_block_rows(flat, flat, lanes, NO_WEIGHTS, program)
    if mixing:
        mix(untouched, lanes, weights, np.float32(chain.intensity), flat)
    for stage in chain.after:
        stage(values)


@njit(cache=True, nogil=True)
def _noise(index: int) -> np.float32:
    """Return triangular noise, -1 to 1, that depends on the index alone.

    The bits are mixed by Chris Wellon's ``lowbias32``; the two halves are two even dice.
    """
    x = _U32(index)
    x = _U32(x ^ (x >> _U32(16))) * _U32(0x7FEB352D)
    x = _U32(x ^ (x >> _U32(15))) * _U32(0x846CA68B)
    x = _U32(x ^ (x >> _U32(16)))
    return (np.float32(x & _U32(0xFFFF)) - np.float32(x >> _U32(16))) / np.float32(65536)


@njit(cache=True, nogil=True, error_model="numpy")
def _store_dithered(
    values: _Floats, lanes: int, peak: np.float32, first: int, target: Any
) -> None:  # pragma: no cover - compiled
    zero, half = np.float32(0), np.float32(0.5)
    for k in range(target.size):
        noise = _noise(first + k) if k % lanes < 3 else zero
        value = np.floor(values[k] * peak + half + noise)
        target[k] = np.int32(min(peak, max(zero, value)))
