"""Give a picture the colours of another, as a LUT.

Three ways, from coarse to fine:

* ``reinhard``: mean and spread of lightness and of the two colour axes (Reinhard et al., *Color
  Transfer between Images*, 2001), here in CIELAB, whose axes stay finite at black, where those of
  the paper run to minus infinity.
* ``mkl``: the linear map that takes the one's mean and covariance to the other's and moves colours
  least, the Monge-Kantorovitch solution (Pitié and Kokaram, *The linear Monge-Kantorovitch linear
  colour mapping for example-based colour transfer*, 2007).
* ``transport``: the whole distribution, by sliced optimal transport: along a turning set of axes
  sorted colours are moved to sorted colours, without histograms (Pitié et al., *N-dimensional
  probability density function transfer*, 2005; Rabin et al., 2011); a smooth LUT is fitted to
  what became of each colour.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.colour_difference import lab_to_srgb, srgb_to_lab
from studio_pipelines.media.lut_fit import FITTED_EDGE, fit_lut, lattice_points
from studio_pipelines.media.lut_table import Lut

MatchMethod = Literal["reinhard", "mkl", "transport"]

_LEAST_DEVIATION: Final = 0.5  # of CIELAB; below it a picture has one colour, and no spread to give
_MOST_STRETCH: Final = 4.0
_LEAST_VARIANCE: Final = 1e-5  # (about one 8-bit code)² keeps the covariance invertible
_SLICES: Final = 24
_TRANSPORTED: Final = 1 << 14
_CURVATURE_COST: Final = 4.0  # two pictures of different things: a sky must not tear
_Doubles = NDArray[np.float64]


def match_lut(source: _Doubles, reference: _Doubles, method: MatchMethod) -> Lut:
    """Return the LUT that gives a picture the colours of a reference.

    Args:
        source: The picture's sRGB code values, 0 to 1, shape (n, 3), n at least 1.
        reference: The reference's, shape (m, 3), m at least 1.
        method: See the module.

    Returns:
        A table of 33 points an edge, within 0 to 1.
    """
    if method == "transport":
        return _transport(source, reference)
    points = lattice_points(FITTED_EDGE)
    matched = _reinhard if method == "reinhard" else _mkl
    table = np.clip(matched(points, source, reference), 0, 1).astype(np.float32)
    return Lut(table=table.reshape(*(FITTED_EDGE,) * 3, 3), title=f"Match ({method})")


def _reinhard(points: _Doubles, source: _Doubles, reference: _Doubles) -> _Doubles:
    before, after = srgb_to_lab(source), srgb_to_lab(reference)
    spread = np.maximum(before.std(axis=0), _LEAST_DEVIATION)
    stretch = np.clip(after.std(axis=0) / spread, 0, _MOST_STRETCH)
    lab = (srgb_to_lab(points) - before.mean(axis=0)) * stretch + after.mean(axis=0)
    return lab_to_srgb(lab)


def _mkl(points: _Doubles, source: _Doubles, reference: _Doubles) -> _Doubles:
    own, wanted = _covariance(source), _covariance(reference)
    root = _square_root(own)
    inverse = np.linalg.inv(root)
    linear = inverse @ _square_root(root @ wanted @ root) @ inverse
    return (points - source.mean(axis=0)) @ linear + reference.mean(axis=0)


def _covariance(colours: _Doubles) -> _Doubles:
    centred = colours - colours.mean(axis=0)
    return centred.T @ centred / len(colours) + _LEAST_VARIANCE * np.eye(3)


def _square_root(matrix: _Doubles) -> _Doubles:
    """Return the symmetric root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _transport(source: _Doubles, reference: _Doubles) -> Lut:
    before, wanted = _drawn(source), _drawn(reference)
    rng = np.random.default_rng(0)
    # The linear solution first: the slices then have little left to do, and less to tear.
    moved = _mkl(before, before, wanted)
    for _ in range(_SLICES):
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        moved += np.stack([_slice_step(moved @ a, wanted @ a) for a in axes.T], axis=-1) @ axes.T
    return fit_lut(
        before, np.clip(moved, 0, 1), title="Match (transport)", curvature_cost=_CURVATURE_COST
    )


def _drawn(colours: _Doubles) -> _Doubles:
    return colours[np.random.default_rng(0).permutation(len(colours))[:_TRANSPORTED]]


def _slice_step(own: _Doubles, wanted: _Doubles) -> _Doubles:
    """Return how far each value is from the one of its rank among the wanted ones."""
    rank = np.empty(len(own))
    rank[np.argsort(own, kind="stable")] = (np.arange(len(own)) + 0.5) / len(own)
    ranks = (np.arange(len(wanted)) + 0.5) / len(wanted)
    return np.interp(rank, ranks, np.sort(wanted)) - own
