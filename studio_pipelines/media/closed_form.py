"""Closed-form matting, with PyMatting's Laplacian, tile by tile.

Levin, Lischinski and Weiss, *A Closed-Form Solution to Natural Image Matting* (PAMI 2008): within
each small window, alpha is taken for a linear function of colour. A network's own answer is added
as a wish (Levin et al.'s equation for priors): a weak one where the network is unsure, which keeps
wide unknown areas in place, and a strong one where it is sure, which colours have to outweigh.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pymatting  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray
from scipy import sparse  # pyright: ignore[reportMissingTypeStubs]
from scipy.sparse import linalg  # pyright: ignore[reportMissingTypeStubs]

from studio_pipelines.media.thread_crew import ThreadCrew
from studio_pipelines.media.trimap import FOREGROUND, UNKNOWN, Trimap

CORE_PX: Final = 256
MARGIN_PX: Final = 24
"""A tile sees so far beyond what it answers for; the answers of neighbours fade over it."""

_EPSILON: Final = 1e-5
_WISH: Final = 3e-3
# The power leaves all but the surest tenth on either side free. A stronger wish finds less of the
# hair that a network overlooks, a weaker one loses edges in the dark: see bench/composite.py.
_SURE_WISH: Final = 1e-2
_SURE_POWER: Final = 8
_TOLERANCE: Final = 1e-3
_MOST_ROUNDS: Final = 80
_MOST_FILL: Final = 8
_Floats = NDArray[np.float32]
# Neither library has types.
_pymatting: Any = pymatting
_sparse: Any = sparse
_linalg: Any = linalg


@dataclass(frozen=True)
class _Tile:
    rows: slice
    columns: slice


def solve_closed_form(codes: _Floats, trimap: Trimap, wished: _Floats) -> _Floats:
    """Find alpha in the unknown part of a trimap.

    Args:
        codes: Code values, 0 to 1, shape (height, width, 3); a few megapixels at most.
        trimap: Shape (height, width).
        wished: What to keep near where the colours do not tell, 0 to 1; the more, the nearer it is
            to either end.

    Returns:
        0 to 1, shape (height, width): 0 and 1 where the trimap knows.
    """
    known = (trimap == FOREGROUND).astype(np.float32)
    tiles = [tile for tile in _tiles(*trimap.shape) if _has_unknown(trimap, tile)]
    found: list[Any] = [None] * len(tiles)

    def solve(start: int, stop: int) -> None:
        for number in range(start, stop):
            part = (tiles[number].rows, tiles[number].columns)
            found[number] = _solved(codes[part], trimap[part], wished[part])

    with ThreadCrew() as crew:
        crew.share(len(tiles), 1, solve)
    total: _Floats = np.zeros_like(known)
    weights: _Floats = np.zeros_like(known)
    for tile, alpha in zip(tiles, found, strict=True):
        weight = _weight(tile, *trimap.shape)
        weighted: _Floats = weight * alpha
        total[tile.rows, tile.columns] += weighted
        weights[tile.rows, tile.columns] += weight
    solved: _Floats = (total / np.maximum(weights, 1e-6)).astype(np.float32)
    return np.where(trimap == UNKNOWN, solved, known)


def _tiles(height: int, width: int) -> list[_Tile]:
    return [
        _Tile(
            slice(max(0, top - MARGIN_PX), min(height, top + CORE_PX + MARGIN_PX)),
            slice(max(0, left - MARGIN_PX), min(width, left + CORE_PX + MARGIN_PX)),
        )
        for top in range(0, height, CORE_PX)
        for left in range(0, width, CORE_PX)
    ]


def _has_unknown(trimap: Trimap, tile: _Tile) -> bool:
    return bool((trimap[tile.rows, tile.columns] == UNKNOWN).any())


def _weight(tile: _Tile, height: int, width: int) -> _Floats:
    """Return how much a tile's answer counts at each of its pixels: less towards its edges."""
    sides: list[Any] = []
    for part, full in ((tile.rows, height), (tile.columns, width)):
        at = np.arange(part.start, part.stop, dtype=np.float32)
        before = np.inf if part.start == 0 else at - part.start + 1
        after = np.inf if part.stop == full else part.stop - at
        sides.append(np.minimum(1, np.minimum(before, after) / (2 * MARGIN_PX)))
    return np.outer(*sides).astype(np.float32)


def _solved(codes: _Floats, trimap: Trimap, wished: _Floats) -> _Floats:
    unknown = (trimap == UNKNOWN).ravel()
    padded = _padded(codes), _padded(trimap)
    if padded[1].shape != trimap.shape:
        # The windows of the method are three pixels wide.
        height, width = trimap.shape
        return _solved(padded[0], padded[1], _padded(wished))[:height, :width]
    laplacian = _pymatting.cf_laplacian(
        codes.astype(np.float64), epsilon=_EPSILON, is_known=~unknown
    )
    rows = laplacian[unknown]
    wish = wished.ravel()[unknown].astype(np.float64)
    weight = _WISH + _SURE_WISH * np.abs(2 * wish - 1) ** _SURE_POWER
    matrix = (rows[:, unknown] + _sparse.diags(weight)).tocsr()
    known = (trimap.ravel()[~unknown] == FOREGROUND).astype(np.float64)
    target = weight * wish - rows[:, ~unknown] @ known
    # A matte is seen to a hundredth at best; the last digits take most of the rounds.
    alpha, _ = _linalg.cg(
        matrix, target, x0=wish, rtol=_TOLERANCE, maxiter=_MOST_ROUNDS, M=_preconditioner(matrix)
    )
    out = (trimap.ravel() == FOREGROUND).astype(np.float32)
    out[unknown] = np.clip(alpha, 0, 1)
    return out.reshape(trimap.shape)


def _preconditioner(matrix: Any) -> Any:
    # PyMatting would set four gigabytes of addresses aside.
    apply = _pymatting.ichol(matrix, max_nnz=_MOST_FILL * matrix.nnz)
    return _linalg.LinearOperator(matrix.shape, apply, dtype=np.float64)


def _padded(values: Any) -> Any:
    edges = [(0, max(0, 3 - side)) for side in values.shape[:2]]
    return np.pad(values, edges + [(0, 0)] * (values.ndim - 2), mode="edge")
