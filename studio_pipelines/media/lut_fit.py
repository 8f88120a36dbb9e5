"""Fit a smooth 3D LUT to pairs of colours, so that any change of colours becomes one table.

The fit is regularised regression on the lattice, after Zeng et al., *Learning Image-adaptive 3D
Lookup Tables* (TPAMI 2020): there a smoothness and a monotonicity term train a network, here they
fill the table for one picture. Curvature costs, so where there are no pairs the table goes on as
the nearest of them lead it, pulled towards the straight line through all of them; and each output
channel never falls while its own input channel rises, so that no gradient turns round.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse  # pyright: ignore[reportMissingTypeStubs]
from scipy.sparse import linalg  # pyright: ignore[reportMissingTypeStubs]

from studio_pipelines.media.lut_table import Lut

FITTED_EDGE: Final = 33
_COARSE_EDGE: Final = 17
_PRIOR_COST: Final = 2e-4
_RIDGE: Final = 1e-3
_TOLERANCE: Final = 1e-4
_MAX_STEPS: Final = 400
_Doubles = NDArray[np.float64]
# SciPy has no types.
_ndimage: Any = ndimage
_sparse: Any = sparse
_linalg: Any = linalg


def fit_lut(
    before: _Doubles, after: _Doubles, *, title: str = "", curvature_cost: float = 0.05
) -> Lut:
    """Return the smooth LUT that takes one set of colours to the other as nearly as it can.

    Args:
        before: Code values, 0 to 1, shape (n, 3), n at least 1.
        after: What each of them shall become, 0 to 1, shape (n, 3).
        title: The LUT's name.
        curvature_cost: What bending costs, beside missing a colour: the higher, the smoother.

    Returns:
        A table of 33 points an edge, within 0 to 1.
    """
    edge = _COARSE_EDGE
    grid = lattice_points(edge)
    prior = _features(grid) @ _affine(before, after)
    weights = _trilinear_weights(before, edge)
    share = edge**3 / len(before)  # the same balance of costs for any number of pairs
    system = share * (weights.T @ weights)
    system += curvature_cost * _curvature(edge) + _PRIOR_COST * _sparse.identity(edge**3)
    system = _sparse.csr_matrix(system)
    inverse_diagonal = _sparse.diags(1 / system.diagonal())
    # What is solved for is the distance from the straight line, so that nothing bends without need.
    residual = after - weights @ prior
    table: _Doubles = np.empty((edge**3, 3))
    for c in range(3):
        solved, _ = _linalg.cg(
            system,
            share * (weights.T @ residual[:, c]),
            rtol=_TOLERANCE,
            maxiter=_MAX_STEPS,
            M=inverse_diagonal,
        )
        table[:, c] = prior[:, c] + solved
    return Lut(table=_finished(table.reshape(edge, edge, edge, 3)), title=title)


def lattice_points(edge: int) -> _Doubles:
    """Return the inputs of a 0-to-1 lattice, shape (edge³, 3), red fastest."""
    axis = np.linspace(0, 1, edge)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.stack([red, green, blue], axis=-1).reshape(-1, 3)


def never_falling(table: _Doubles) -> _Doubles:
    """Return the table with each channel made to rise, or stay, along its own axis.

    It is the mean of the running maximum from below and the running minimum from above: both never
    fall, and where the table never falls already, both are the table.

    Args:
        table: Shape (edge, edge, edge, 3), indexed [blue, green, red].
    """
    risen = np.empty_like(table)
    for channel, axis in enumerate((2, 1, 0)):
        values = table[..., channel]
        from_below = np.maximum.accumulate(values, axis=axis)
        from_above = np.flip(np.minimum.accumulate(np.flip(values, axis), axis=axis), axis)
        risen[..., channel] = (from_below + from_above) / 2
    return risen


def _features(colours: _Doubles) -> _Doubles:
    return np.hstack([colours, np.ones((len(colours), 1))])


def _affine(before: _Doubles, after: _Doubles) -> _Doubles:
    """Return the (4, 3) affine map that fits best; a colour's change counts where pairs lack."""
    x = _features(before)
    towards = np.vstack([np.eye(3), np.zeros((1, 3))])
    ridge = _RIDGE * len(x) * np.eye(4)
    fitted = np.linalg.solve(x.T @ x + ridge, x.T @ after + ridge @ towards)
    return fitted.astype(np.float64)


def _trilinear_weights(colours: _Doubles, edge: int) -> Any:
    """Return (n, edge³): the share of each lattice point in each colour."""
    position = np.clip(colours, 0, 1) * (edge - 1)
    low = np.minimum(position.astype(np.int64), edge - 2)
    part = position - low
    strides = np.array([1, edge, edge * edge])
    columns: list[NDArray[np.int64]] = []
    shares: list[_Doubles] = []
    for corner in range(8):
        steps = np.array([corner & 1, corner >> 1 & 1, corner >> 2])
        columns.append((low + steps) @ strides)
        shares.append(np.where(steps, part, 1 - part).prod(axis=1))
    rows = np.tile(np.arange(len(colours)), 8)
    flat = (np.concatenate(shares), (rows, np.concatenate(columns)))
    return _sparse.csr_matrix(flat, shape=(len(colours), edge**3))


def _curvature(edge: int) -> Any:
    """Return the quadratic form that sums the squared second differences along the three axes."""
    bend = _sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(edge - 2, edge))
    own, still = bend.T @ bend, _sparse.identity(edge)
    along_red = _sparse.kron(still, _sparse.kron(still, own))
    along_green = _sparse.kron(still, _sparse.kron(own, still))
    along_blue = _sparse.kron(own, _sparse.kron(still, still))
    return _sparse.csr_matrix(along_red + along_green + along_blue)


def _finished(coarse: _Doubles) -> NDArray[np.float32]:
    """Lay a finer lattice through the fitted points, without kinks between them."""
    zoom = (FITTED_EDGE / _COARSE_EDGE,) * 3
    channels: list[_Doubles] = [
        _ndimage.zoom(coarse[..., c], zoom, order=3, mode="nearest") for c in range(3)
    ]
    fine = never_falling(np.stack(channels, axis=-1))
    return np.clip(fine, 0, 1).astype(np.float32)
