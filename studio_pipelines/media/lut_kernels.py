"""Look-ups in 1D and 3D tables for a block of pixels, laid out for vector units.

A block is a few hundred pixels that stay in the first-level cache. Finding the cell and the
weights runs across pixels, one lane a pixel; blending the lattice points runs across channels,
one 16-byte vector a point.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

TETRAHEDRAL: Final = 0
TRILINEAR: Final = 1
NEAREST: Final = 2

BLOCK: Final = 512
FASTMATH: Final = {"nsz", "contract"}  # never "nnan": a NaN must not become a table index

_FLOAT4 = ir.VectorType(ir.FloatType(), 4)
_INT32 = ir.IntType(32)

_Floats = NDArray[np.float32]
_Ints = NDArray[np.int32]


def _point(builder: Any, data: Any, element: Any) -> Any:
    return builder.bitcast(builder.gep(data, [element]), _FLOAT4.as_pointer())


def _splat(builder: Any, value: Any) -> Any:
    empty = ir.Constant(_FLOAT4, ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_INT32, 4), [0] * 4))


@intrinsic
def _blend(_typing: Any, out: Any, _at: Any, lattice: Any, points: Any, weights: Any) -> Any:
    """Store Σ weights[i] · lattice[points[i]] as four floats at ``out[at]``.

    The vectors are spelled out because Numba runs LLVM without its SLP vectoriser, and the loop
    over four lanes would become sixteen scalar multiplications.
    """
    signature = types.void(out, types.intp, lattice, points, weights)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        target = context.make_array(sig.args[0])(context, builder, args[0]).data
        source = context.make_array(sig.args[2])(context, builder, args[2]).data
        total = None
        for k in range(len(points)):
            point = builder.extract_value(args[3], k)
            element = builder.shl(point, ir.Constant(point.type, 2))
            corner = builder.load(_point(builder, source, element))
            corner.align = 4
            weight = _splat(builder, builder.extract_value(args[4], k))
            term = builder.fmul(corner, weight, flags=("contract",))
            total = term if total is None else builder.fadd(total, term, flags=("contract",))
        builder.store(total, _point(builder, target, args[1])).align = 4
        return context.get_dummy_value()

    return signature, generate


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def clamp_scale(x: _Floats, low: np.float32, inverse: np.float32, top: np.float32) -> None:
    """Map x in place to a table position: (x − low) · inverse, held to 0 … 1, · top; NaN is 0."""
    zero, one = np.float32(0), np.float32(1)
    for k in range(x.size):
        t = (x[k] - low) * inverse
        t = t if t > zero else zero
        t = t if t < one else one
        x[k] = t * top


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def look_up_curve(x: _Floats, curve: _Floats, low: np.float32, inverse: np.float32) -> None:
    """Replace x by the curve's value at x, linear between entries, held at both ends."""
    last = curve.size - 1
    clamp_scale(x, low, inverse, np.float32(last))
    for k in range(x.size):
        i = min(int(x[k]), last - 1)
        t = x[k] - np.float32(i)
        x[k] = curve[i] + (curve[i + 1] - curve[i]) * t


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _tetrahedra(x: _Floats, m: int, edge: int, points: _Ints, weights: _Floats) -> None:
    """Find the four lattice points of each position's tetrahedron, and their weights.

    A cell falls into six tetrahedra by the order of the three fractions; the path runs from the
    cell's low corner along the axis of the largest fraction first (Kasson et al., 1993). Indices
    are exact in float32 up to 256³ = 2²⁴.
    """
    top, one = np.float32(edge - 2), np.float32(1)
    green, blue = np.float32(edge), np.float32(edge * edge)
    red_x, green_x, blue_x = x[0, :m], x[1, :m], x[2, :m]
    point_0, point_1, point_2, point_3 = points[0], points[1], points[2], points[3]
    weight_0, weight_1, weight_2, weight_3 = weights[0], weights[1], weights[2], weights[3]
    for k in range(red_x.size):
        r, g, b = red_x[k], green_x[k], blue_x[k]
        r0, g0, b0 = np.floor(r), np.floor(g), np.floor(b)
        r0, g0, b0 = min(r0, top), min(g0, top), min(b0, top)
        r, g, b = r - r0, g - g0, b - b0
        origin = r0 + g0 * green + b0 * blue
        far = origin + (one + green + blue)
        rg, gb, rb = r >= g, g >= b, r >= b
        first = one if (rg and rb) else (green if gb else blue)
        last = blue if (gb and rb) else (green if rg else one)
        high, low = max(r, max(g, b)), min(r, min(g, b))
        middle = max(min(r, g), min(max(r, g), b))
        point_0[k], point_1[k] = np.int32(origin), np.int32(origin + first)
        point_2[k], point_3[k] = np.int32(far - last), np.int32(far)
        weight_0[k], weight_1[k] = one - high, high - middle
        weight_2[k], weight_3[k] = middle - low, low


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _tetrahedral(
    x: _Floats,
    m: int,
    lattice: _Floats,
    edge: int,
    out: _Floats,
    lanes: int,
    points: _Ints,
    w: _Floats,
) -> None:
    _tetrahedra(x, m, edge, points, w)
    point_0, point_1, point_2, point_3 = points[0], points[1], points[2], points[3]
    w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
    for k in range(m):
        corners = (
            np.intp(point_0[k]),
            np.intp(point_1[k]),
            np.intp(point_2[k]),
            np.intp(point_3[k]),
        )
        _blend(out, k * lanes, lattice, corners, (w0[k], w1[k], w2[k], w3[k]))


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _trilinear(x: _Floats, m: int, lattice: _Floats, edge: int, out: _Floats, lanes: int) -> None:
    one, plane = np.float32(1), edge * edge
    for k in range(m):
        i = min(int(x[0, k]), edge - 2)
        j = min(int(x[1, k]), edge - 2)
        p = min(int(x[2, k]), edge - 2)
        r, g, b = x[0, k] - np.float32(i), x[1, k] - np.float32(j), x[2, k] - np.float32(p)
        o = i + j * edge + p * plane
        n, q = o + edge, o + plane
        s = q + edge
        low, high = one - b, b
        near, far = one - g, g
        w00, w10, w01, w11 = near * low, far * low, near * high, far * high
        left = one - r
        _blend(
            out,
            k * lanes,
            lattice,
            (o, o + 1, n, n + 1, q, q + 1, s, s + 1),
            (left * w00, r * w00, left * w10, r * w10, left * w01, r * w01, left * w11, r * w11),
        )


@njit(cache=True, nogil=True, error_model="numpy")
def _nearest(x: _Floats, m: int, lattice: _Floats, edge: int, out: _Floats, lanes: int) -> None:
    half = np.float32(0.5)
    for k in range(m):
        i, j, p = int(x[0, k] + half), int(x[1, k] + half), int(x[2, k] + half)
        point = i + edge * (j + edge * p)
        _blend(out, k * lanes, lattice, (point,), (np.float32(1),))


@njit(cache=True, nogil=True, error_model="numpy")
def look_up_lattice(
    x: _Floats,
    m: int,
    lattice: _Floats,
    edge: int,
    interpolation: int,
    out: _Floats,
    lanes: int,
    points: _Ints,
    weights: _Floats,
) -> None:
    """Look a block up in a 3D table.

    Args:
        x: Positions (3, BLOCK), each 0 to edge − 1, red, green, blue.
        m: How many of them.
        lattice: The table, flat: 4 floats a point, red fastest.
        edge: Points along an edge.
        interpolation: TETRAHEDRAL, TRILINEAR or NEAREST.
        out: Flat, at least m · lanes + 4 long; each pixel's store spills past its third value.
        lanes: Floats from one pixel to the next in ``out``, 3 or 4.
        points: Scratch (4, BLOCK).
        weights: Scratch (4, BLOCK).
    """
    if interpolation == TETRAHEDRAL:
        _tetrahedral(x, m, lattice, edge, out, lanes, points, weights)
    elif interpolation == TRILINEAR:
        _trilinear(x, m, lattice, edge, out, lanes)
    else:
        _nearest(x, m, lattice, edge, out, lanes)
