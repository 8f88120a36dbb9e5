"""Hide the seams between copied pieces: solve for a picture that has the pieces' own gradients.

A screened Poisson equation, after Pérez, Gangnet and Blake, *Poisson Image Editing* (2003), and
Darabi et al., *Image Melding* (2012), by red-black over-relaxation.
"""

from functools import partial
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.patch_kernels import COLOURS
from studio_pipelines.media.thread_crew import ThreadCrew

_Floats = NDArray[np.float32]
_Ints = NDArray[np.int32]
_Mask = NDArray[np.bool_]

_SCREENING: Final = np.float32(0.003)
_OVER_RELAXATION: Final = np.float32(1.8)
_ROUNDS: Final = 90
_PIECE: Final = 1 << 15


def blend_seams(colours: _Floats, hole: _Ints, chosen: _Ints, crew: ThreadCrew) -> _Floats:
    """Return the picture with copied pixels in the hole, their seams blended.

    Args:
        colours: (height, width, 3); what it holds in the hole does not count.
        hole: (n, 2) row and column of the hole's pixels.
        chosen: (n, 2) the pixel outside the hole that each is copied from.
        crew: Runs the loops.
    """
    height, width = colours.shape[:2]
    sources = np.empty((height, width, 2), np.int32)
    sources[..., 0], sources[..., 1] = np.ogrid[:height, :width]
    known = np.ones((height, width), bool)
    rows, columns = hole[:, 0], hole[:, 1]
    sources[rows, columns], known[rows, columns] = chosen, False
    values = colours.copy()
    values[rows, columns] = colours[chosen[:, 0], chosen[:, 1]]
    halves: list[tuple[_Ints, _Floats]] = []
    for parity in (0, 1):
        half = hole[(rows + columns) & 1 == parity]
        sums = np.empty((len(half), COLOURS), np.float32)
        crew.share(len(half), _PIECE, partial(_gather, colours, known, sources, half, sums))
        halves.append((half, sums))
    _relax_all(values, halves, crew)
    return values


def match_rim(
    colours: _Floats, filled: _Floats, hole: _Mask, *, threads: int | None = None
) -> _Floats:
    """Return a filled picture whose hole meets the known colours at its rim.

    A network's picture differs from the input a little everywhere; the difference at the rim is
    spread inward, so that the gradients in the hole stay the network's.

    Args:
        colours: (height, width, 3); what it holds in the hole does not count.
        filled: The same shape: the network's picture, also outside the hole.
        hole: (height, width).
        threads: How many; by default one for each core this process may use.
    """
    pixels = np.argwhere(hole).astype(np.int32)
    values = np.where(hole[..., None], filled, colours)
    with ThreadCrew(threads) as crew:
        halves: list[tuple[_Ints, _Floats]] = []
        for parity in (0, 1):
            half = pixels[pixels.sum(axis=1) & 1 == parity]
            sums = np.empty((len(half), COLOURS), np.float32)
            crew.share(len(half), _PIECE, partial(_gather_own, filled, half, sums))
            halves.append((half, sums))
        _relax_all(values, halves, crew)
    return values


def _relax_all(values: _Floats, halves: list[tuple[_Ints, _Floats]], crew: ThreadCrew) -> None:
    for _ in range(_ROUNDS):
        for half, sums in halves:
            crew.share(len(half), _PIECE, partial(_relax, values, half, sums))


@njit(cache=True, nogil=True, error_model="numpy")
def _gather_own(filled: _Floats, pixels: _Ints, sums: _Floats, start: int, stop: int) -> None:
    """Write the screening and the steps that the filled picture itself has."""
    height, width = filled.shape[:2]
    for k in range(start, stop):
        y, x = pixels[k, 0], pixels[k, 1]
        for c in range(COLOURS):
            total = _SCREENING * filled[y, x, c]
            for side in range(4):
                row = y + (side == 0) - (side == 1)
                column = x + (side == 2) - (side == 3)
                if 0 <= row < height and 0 <= column < width:
                    total += filled[y, x, c] - filled[row, column, c]
            sums[k, c] = total


@njit(cache=True, nogil=True, error_model="numpy")
def _step(
    colours: _Floats, known: _Mask, at_row: int, at_column: int, dy: int, dx: int, c: int
) -> tuple[np.float32, np.float32]:
    """Return the step from a pixel's neighbour to it, and 1; both 0 where the neighbour is lost."""
    y, x = at_row + dy, at_column + dx
    if 0 <= y < known.shape[0] and 0 <= x < known.shape[1] and known[y, x]:
        return colours[at_row, at_column, c] - colours[y, x, c], np.float32(1)
    return np.float32(0), np.float32(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _gather(
    colours: _Floats,
    known: _Mask,
    sources: _Ints,
    pixels: _Ints,
    sums: _Floats,
    start: int,
    stop: int,
) -> None:
    """Write what does not change from round to round: the screening and the wanted steps.

    Two neighbours have two sources, of which each may tell the step between them: the mean counts,
    or the one of which both pixels are known. To take the other all the same cost 2 dB.
    """
    for k in range(start, stop):
        y, x = pixels[k, 0], pixels[k, 1]
        own_row, own_column = sources[y, x, 0], sources[y, x, 1]
        for c in range(COLOURS):
            total = _SCREENING * colours[own_row, own_column, c]
            for side in range(4):
                dy, dx = (side == 0) - (side == 1), (side == 2) - (side == 3)
                if not (0 <= y + dy < known.shape[0] and 0 <= x + dx < known.shape[1]):
                    continue
                at_row, at_column = sources[y + dy, x + dx, 0], sources[y + dy, x + dx, 1]
                mine, told = _step(colours, known, own_row, own_column, dy, dx, c)
                theirs, told_too = _step(colours, known, at_row, at_column, -dy, -dx, c)
                total += (mine - theirs) / max(told + told_too, np.float32(1))
            sums[k, c] = total


@njit(cache=True, nogil=True, error_model="numpy")
def _relax(values: _Floats, pixels: _Ints, sums: _Floats, start: int, stop: int) -> None:
    """Do one over-relaxed step at pixels of which no two are neighbours."""
    height, width = values.shape[:2]
    for k in range(start, stop):
        y, x = pixels[k, 0], pixels[k, 1]
        weight = _SCREENING + np.float32((y > 0) + (y + 1 < height) + (x > 0) + (x + 1 < width))
        for c in range(COLOURS):
            total = sums[k, c]
            if x + 1 < width:
                total += values[y, x + 1, c]
            if x > 0:
                total += values[y, x - 1, c]
            if y + 1 < height:
                total += values[y + 1, x, c]
            if y > 0:
                total += values[y - 1, x, c]
            values[y, x, c] += _OVER_RELAXATION * (total / weight - values[y, x, c])
