"""Run a colour program over a picture, in row blocks on several threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.colour_kernel import ColourProgram, run_block_rows
from studio_pipelines.media.picture import Pixels

PEAKS: Final = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
"""The code value that stands for 1, by the name of the pixels' type."""

_CHUNK_PIXELS: Final = 1 << 17
_Floats = NDArray[np.float32]
NO_WEIGHTS: Final = np.empty(0, np.float32)


def run_program(
    program: ColourProgram,
    pixels: Pixels,
    *,
    mask: NDArray[Any] | None = None,
    out: Pixels | None = None,
    threads: int | None = None,
) -> Pixels:
    """Run a program over a picture.

    Args:
        program: Built for the pixels' type: its ``peak`` fits.
        pixels: uint8, uint16 or float32, shape (height, width, 3 or 4). Alpha is passed on
            untouched.
        mask: uint8, uint16 or float32 of shape (height, width): the share of the grade at each
            pixel, full at 255, 65535 or 1.
        out: Where to write, of the pixels' shape and type; may be ``pixels``. A new array
            otherwise.
        threads: How many threads; by default one for each core this process may use.

    Returns:
        ``out``.

    Raises:
        InvalidParameter: A shape, a type or the number of threads does not fit.
    """
    target = np.empty_like(pixels, order="C") if out is None else out
    check_pixels(pixels, mask, target, threads)
    if target.dtype != pixels.dtype:
        raise InvalidParameter(f"The output is {target.dtype}; the picture is {pixels.dtype}.")
    height, width, lanes = pixels.shape

    def run_rows(rows: slice) -> None:
        source, into = np.ascontiguousarray(pixels[rows]), target[rows]
        weights = NO_WEIGHTS if mask is None else mask_weights(mask[rows])
        if into.flags.c_contiguous:
            run_block_rows(source.reshape(-1), into.reshape(-1), lanes, weights, program)
        else:
            dense = np.empty_like(source)
            run_block_rows(source.reshape(-1), dense.reshape(-1), lanes, weights, program)
            into[...] = dense

    in_row_blocks(run_rows, height, width, threads)
    return target


def in_row_blocks(
    run_rows: Callable[[slice], None], height: int, width: int, threads: int | None
) -> None:
    """Cut a picture into blocks of rows that fit the caches, and run them on several threads."""
    step = max(1, _CHUNK_PIXELS // max(width, 1))
    tops = range(0, height if width else 0, step)
    blocks = [slice(top, min(top + step, height)) for top in tops]
    workers = min(threads or len(os.sched_getaffinity(0)), len(blocks))
    if workers <= 1:
        for rows in blocks:
            run_rows(rows)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run_rows, blocks))


def mask_weights(mask: NDArray[Any]) -> _Floats:
    """Return a mask as flat shares, 0 to 1."""
    weights = mask.astype(np.float32).reshape(-1)
    return weights / np.float32(PEAKS[mask.dtype.name])


def check_pixels(
    pixels: Pixels, mask: NDArray[Any] | None, out: Pixels, threads: int | None
) -> None:
    """Refuse pixels, an output, a mask and a number of threads that do not fit each other."""
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or pixels.dtype.name not in PEAKS:
        raise InvalidParameter(
            f"The picture is {pixels.dtype} {pixels.shape}; it must be uint8, uint16 or float32 "
            "of shape (height, width, 3 or 4).",
            field="image",
        )
    if out.shape != pixels.shape or out.dtype.name not in PEAKS:
        raise InvalidParameter(
            f"The output is {out.dtype} {out.shape}; the picture is {pixels.dtype} {pixels.shape}."
        )
    if mask is not None and (mask.shape != pixels.shape[:2] or mask.dtype.name not in PEAKS):
        raise InvalidParameter(
            f"The mask is {mask.dtype} {mask.shape}; it must be uint8, uint16 or float32 "
            f"{pixels.shape[:2]}, the picture's size.",
            field="mask",
        )
    if threads is not None and threads < 1:
        raise InvalidParameter(f"threads is {threads}; it must be 1 or more.", field="threads")
