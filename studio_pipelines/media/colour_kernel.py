"""A grade in flat form, and the fused kernel that runs it.

The kernel takes a few hundred pixels through every stage while they sit in the first-level cache,
so a picture of any size is read once and written once.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.media.channel_kernels import shape_channel
from studio_pipelines.media.lut_kernels import (
    BLOCK,
    FASTMATH,
    NEAREST,
    TETRAHEDRAL,
    blend_one_tetrahedron,
    blend_tetrahedra,
    find_tetrahedra,
    look_up_curve,
    look_up_points,
)
from studio_pipelines.media.pixel_kernels import (
    FLOAT_BYTES,
    copy_alpha,
    interleave,
    load,
    look_up_codes,
    normalise,
    store,
)

_Floats = NDArray[np.float32]


class ColourProgram(NamedTuple):
    """What the kernel runs, in order: curves, saturation, shaper, 3D table, mix with the input.

    Attributes:
        code_curves: (3, levels) each integer code value's curve result, or (3, 0) for float
            pixels and where there is nothing before the saturation.
        channels: (3, parameters) the same curves for float pixels, see ``channel_kernels``.
        channel_stages: Which of those run, as bits.
        saturation: Factor about Rec. 709 luma, then held to 0 to 1; negative where there is none.
        shaper: (3, m), or (3, 0).
        shaper_domain: (3, 2) factor and offset from a value to a position in the table.
        lattice: 4 floats a point, flat, red fastest; empty where there is no 3D table.
        edge: Points along the 3D table's edge.
        domain: (3, 2) factor and offset from a value to a position in the table.
        interpolation: See ``lut_kernels``.
        intensity: Share of the result in the mix, 0 to 1.
        peak: The code value that stands for 1: 255, 65535 or 1.
    """

    code_curves: _Floats
    channels: _Floats
    channel_stages: int
    saturation: np.float32
    shaper: _Floats
    shaper_domain: _Floats
    lattice: _Floats
    edge: int
    domain: _Floats
    interpolation: int
    intensity: np.float32
    peak: np.float32


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _saturate(x: _Floats, m: int, saturation: np.float32) -> None:
    """ASC CDL 1.2: move each channel away from the Rec. 709 luma, then hold to 0 to 1."""
    zero, one = np.float32(0), np.float32(1)
    red, green, blue = x[0, :m], x[1, :m], x[2, :m]
    for k in range(red.size):
        r, g, b = red[k], green[k], blue[k]
        luma = np.float32(0.2126) * r + np.float32(0.7152) * g + np.float32(0.0722) * b
        r, g, b = (
            luma + saturation * (r - luma),
            luma + saturation * (g - luma),
            luma + saturation * (b - luma),
        )
        r, g, b = max(zero, r), max(zero, g), max(zero, b)
        red[k] = min(one, r)
        green[k] = min(one, g)
        blue[k] = min(one, b)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def mix(flat: _Floats, lanes: int, weights: _Floats, intensity: np.float32, out: _Floats) -> None:
    """Lay the result over the input; at weights 0 and 1 exactly the one or the other."""
    zero, one = np.float32(0), np.float32(1)
    for k in range(out.size):
        w = intensity if weights.size == 0 else weights[k // lanes] * intensity
        a, b = flat[k], out[k]
        out[k] = b if w >= one else (a if not w > zero else a + (b - a) * w)


@njit(cache=True, nogil=True, error_model="numpy")
def _shape(program: ColourProgram, x: _Floats, m: int) -> None:
    """Run the float form of the curves, the saturation and the shaper."""
    if program.channel_stages and program.code_curves.size == 0:
        for c in range(3):
            shape_channel(x[c, :m], program.channels[c], program.channel_stages)
    if program.saturation >= 0:
        _saturate(x, m, program.saturation)
    if program.shaper.size:
        for c in range(3):
            scale, bias = program.shaper_domain[c]
            look_up_curve(x[c, :m], program.shaper[c], scale, bias)


@njit(cache=True, nogil=True, error_model="numpy")
def run_block_rows(
    source: Any, target: Any, lanes: int, weights: _Floats, program: ColourProgram
) -> None:
    """Run a program over flat, interleaved pixels.

    Args:
        source: Code values, flat.
        target: Where to write, of the same type; may be ``source``.
        lanes: Values a pixel, 3 or 4; the fourth is copied.
        weights: The mask, a share for each pixel; empty where there is none.
        program: Its ``peak`` must fit the type.
    """
    # The arrays are taken out of the program once: each access counts a reference, in a counter
    # that all threads share.
    curves, lattice, domain = program.code_curves, program.lattice, program.domain
    edge, interpolation = program.edge, program.interpolation
    peak, intensity = program.peak, program.intensity
    mixing = weights.size > 0 or intensity < 1
    straight = lanes == 3 and not mixing and source.itemsize == FLOAT_BYTES
    shapes = program.saturation >= 0 or program.shaper.size > 0 or program.channel_stages > 0
    flat, out = np.empty(BLOCK * 4, np.float32), np.empty(BLOCK * 4 + 4, np.float32)
    x, share = np.empty((3, BLOCK), np.float32), np.empty((4, BLOCK), np.float32)
    points = np.empty((3, BLOCK), np.int32)
    for start in range(0, source.size // lanes, BLOCK):
        m = min(BLOCK, source.size // lanes - start)
        codes = source[start * lanes : (start + m) * lanes]
        into = target[start * lanes : (start + m) * lanes]
        if mixing or lanes == 4:
            normalise(codes, peak, flat)
        if curves.size:
            look_up_codes(codes, lanes, m, curves, x)
        else:
            load(codes, lanes, m, peak, flat, x)
        if shapes:
            _shape(program, x, m)
        if edge and interpolation == TETRAHEDRAL:
            find_tetrahedra(x, m, domain, edge, points, share)
            if straight:
                blend_tetrahedra(m - 1, lattice, edge, into, lanes, points, share)
                blend_one_tetrahedron(m - 1, lattice, edge, out, into, points, share)
                continue
            blend_tetrahedra(m, lattice, edge, out, lanes, points, share)
        elif edge:
            look_up_points(x, m, domain, lattice, edge, interpolation == NEAREST, out, lanes)
        else:
            interleave(x, m, lanes, out)
        if lanes == 4:
            copy_alpha(flat, m, out)
        if mixing:
            mix(flat, lanes, weights[start : start + m], intensity, out[: m * lanes])
        store(out, peak, into)
