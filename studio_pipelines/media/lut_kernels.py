"""Look-ups in 1D and 3D tables for a block of pixels, laid out for vector units.

A block is a few hundred pixels that stay in the first-level cache. Finding the cell and the
weights runs across pixels, one lane a pixel; blending the lattice points runs across channels,
one 16-byte vector a point.

Throughout, ``x`` is red, green and blue, (3, BLOCK), of which the first ``m`` are used; ``domain``
(3, 2) is each channel's factor and offset from value to table position; ``lattice`` is the 3D
table, flat, 4 floats a point, red fastest, with ``edge`` points an edge. Results go to ``out``,
flat, ``lanes`` (3 or 4) floats from one pixel to the next; a pixel's store spills one float past
its third value, so ``out`` is at least 4 longer than its pixels.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir  # pyright: ignore[reportMissingTypeStubs]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

TETRAHEDRAL: Final = 0
TRILINEAR: Final = 1
NEAREST: Final = 2

BLOCK: Final = 128
FASTMATH: Final = {"nsz", "contract"}  # never "nnan": a NaN must not become a table index

_FLOAT4: Any = ir.VectorType(ir.FloatType(), 4)
_INT32: Any = ir.IntType(32)

_Floats = NDArray[np.float32]
_Ints = NDArray[np.int32]


def _point(builder: Any, data: Any, element: Any) -> Any:
    return builder.bitcast(builder.gep(data, [element]), _FLOAT4.as_pointer())


def _splat(builder: Any, value: Any) -> Any:
    empty = ir.Constant(_FLOAT4, None)
    first = builder.insert_element(empty, value, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_INT32, 4), [0] * 4))


def _typed_blend(_typing: Any, out: Any, _at: Any, lattice: Any, points: Any, weights: Any) -> Any:
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


_blend: Any = intrinsic(_typed_blend)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _cell(
    value: np.float32, scale: np.float32, bias: np.float32, top: np.float32
) -> tuple[np.float32, np.float32]:
    """Return (fraction, index) of value · scale + bias, held to 0 … top; NaN reads as 0.

    ``max(zero, t)`` keeps its first argument unless the second is greater, which settles NaN;
    the other order would not.
    """
    zero, last = np.float32(0), top - np.float32(1)
    t = value * scale + bias
    t = max(zero, t)
    t = min(top, t)
    index = np.floor(t)
    index = min(last, index)
    return t - index, index


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def look_up_curve(x: _Floats, curve: _Floats, scale: np.float32, bias: np.float32) -> None:
    """Replace x by the curve's value at x, linear between entries, held at both ends."""
    for k in range(x.size):
        t, index = _cell(x[k], scale, bias, np.float32(curve.size - 1))
        i = int(index)
        x[k] = curve[i] + (curve[i + 1] - curve[i]) * t


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def find_tetrahedra(
    x: _Floats, m: int, domain: _Floats, edge: int, points: _Ints, weights: _Floats
) -> None:
    """Find three lattice points of each pixel's tetrahedron, and the weights of all four.

    A cell falls into six tetrahedra by the order of the three fractions; the path runs from the
    cell's low corner along the axis of the largest fraction first (Kasson et al., 1993) and ends at
    its far corner. Indices are exact in float32 up to 256³ = 2²⁴.
    """
    top, one = np.float32(edge - 1), np.float32(1)
    green, blue = np.float32(edge), np.float32(edge * edge)
    corner = one + green + blue
    red_x, green_x, blue_x = x[0, :m], x[1, :m], x[2, :m]
    red_scale, green_scale, blue_scale = domain[0, 0], domain[1, 0], domain[2, 0]
    red_bias, green_bias, blue_bias = domain[0, 1], domain[1, 1], domain[2, 1]
    point_0, point_1, point_2 = points[0], points[1], points[2]
    weight_0, weight_1, weight_2, weight_3 = weights[0], weights[1], weights[2], weights[3]
    for k in range(m):
        r, r0 = _cell(red_x[k], red_scale, red_bias, top)
        g, g0 = _cell(green_x[k], green_scale, green_bias, top)
        b, b0 = _cell(blue_x[k], blue_scale, blue_bias, top)
        origin = r0 + g0 * green + b0 * blue
        rg, gb, rb = r >= g, g >= b, r >= b
        first = one if (rg & rb) else (green if gb else blue)
        last = blue if (gb & rb) else (green if rg else one)
        more, less = (r if rg else g), (g if rg else r)
        high, low = max(b, more), min(b, less)
        rest = max(b, less)
        middle = min(rest, more)
        point_0[k], point_1[k] = np.int32(origin), np.int32(origin + first)
        point_2[k] = np.int32(origin + (corner - last))
        weight_0[k], weight_1[k] = one - high, high - middle
        weight_2[k], weight_3[k] = middle - low, low


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def blend_tetrahedra(
    m: int, lattice: _Floats, edge: int, out: _Floats, lanes: int, points: _Ints, weights: _Floats
) -> None:
    """Blend each pixel's four lattice points, as :func:`find_tetrahedra` left them."""
    corner = 1 + edge + edge * edge
    point_0, point_1, point_2 = points[0], points[1], points[2]
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for k in range(m):
        near = np.intp(point_0[k])
        corners = (near, np.intp(point_1[k]), np.intp(point_2[k]), near + corner)
        _blend(out, k * lanes, lattice, corners, (w0[k], w1[k], w2[k], w3[k]))


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def blend_one_tetrahedron(
    k: int, lattice: _Floats, edge: int, spare: _Floats, out: Any, points: _Ints, weights: _Floats
) -> None:
    """Blend the one pixel k by way of ``spare``, so that no store spills past it."""
    near = np.intp(points[0, k])
    corners = (near, np.intp(points[1, k]), np.intp(points[2, k]), near + 1 + edge + edge * edge)
    shares = (weights[0, k], weights[1, k], weights[2, k], weights[3, k])
    _blend(spare, 0, lattice, corners, shares)
    for c in range(3):
        out[3 * k + c] = spare[c]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _trilinear(
    x: _Floats, m: int, domain: _Floats, lattice: _Floats, edge: int, out: _Floats, lanes: int
) -> None:
    """Blend the eight points about each pixel."""
    one, top, plane = np.float32(1), np.float32(edge - 1), edge * edge
    for k in range(m):
        r, i = _cell(x[0, k], domain[0, 0], domain[0, 1], top)
        g, j = _cell(x[1, k], domain[1, 0], domain[1, 1], top)
        b, p = _cell(x[2, k], domain[2, 0], domain[2, 1], top)
        o = int(i) + int(j) * edge + int(p) * plane
        n, q, s = o + edge, o + plane, o + edge + plane
        near, w00, w10 = one - r, (one - g) * (one - b), g * (one - b)
        w01, w11 = (one - g) * b, g * b
        corners = (o, o + 1, n, n + 1, q, q + 1, s, s + 1)
        low = (near * w00, r * w00, near * w10, r * w10)
        high = (near * w01, r * w01, near * w11, r * w11)
        _blend(out, k * lanes, lattice, corners, low + high)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _nearest(
    x: _Floats, m: int, domain: _Floats, lattice: _Floats, edge: int, out: _Floats, lanes: int
) -> None:
    """Take the point nearest to each pixel."""
    one, half, top = np.float32(1), np.float32(0.5), np.float32(edge - 1)
    for k in range(m):
        r, i = _cell(x[0, k], domain[0, 0], domain[0, 1], top)
        g, j = _cell(x[1, k], domain[1, 0], domain[1, 1], top)
        b, p = _cell(x[2, k], domain[2, 0], domain[2, 1], top)
        point = int(i + r + half) + edge * (int(j + g + half) + edge * int(p + b + half))
        _blend(out, k * lanes, lattice, (point,), (one,))


@njit(cache=True, nogil=True, error_model="numpy")
def look_up_points(
    x: _Floats,
    m: int,
    domain: _Floats,
    lattice: _Floats,
    edge: int,
    nearest: bool,
    out: _Floats,
    lanes: int,
) -> None:
    """Look a block up by the nearest point, or between the eight points about each pixel."""
    if nearest:
        _nearest(x, m, domain, lattice, edge, out, lanes)
    else:
        _trilinear(x, m, domain, lattice, edge, out, lanes)
