"""Masks as run lengths, as the COCO data set has them (Lin et al., ECCV 2014; pycocotools).

Runs go down the columns, the first one is of pixels outside. The compressed form writes each count,
from the fourth on its difference to the one two before it, in groups of five bits, the lowest
first, as the printable characters from ``0`` on.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.mask_region import Mask, Region

_Counts = NDArray[np.int64]
_BITS: Final = 5
_LOW: Final = (1 << _BITS) - 1
_SIGN: Final = 1 << (_BITS - 1)
_MORE: Final = 1 << _BITS
_FIRST_CHARACTER: Final = 48
_PLAIN: Final = 3


class InvalidRunLengths(ValueError):
    """A text is not a mask's compressed run lengths, or not of that size."""


def run_lengths(region: Region) -> _Counts:
    """Return how long the runs are, outside and inside by turns, the first one outside."""
    pixels = region.height_px * region.width_px
    if not region.area_px:
        return np.array([pixels], np.int64)
    columns = np.pad(region.inside.T.view(np.int8), ((0, 0), (1, 1)))
    steps = np.diff(columns, axis=1)
    edges: list[_Counts] = []
    for step in (1, -1):
        column, row = np.nonzero(steps == step)
        edges.append((region.left + column) * region.height_px + region.top + row)
    starts, ends = edges
    # A run that reaches the bottom goes on at the top of the next column.
    joined = starts[1:] == ends[:-1]
    starts = starts[np.concatenate([[True], ~joined])]
    ends = ends[np.concatenate([~joined, [True]])]
    edge = np.concatenate([[0], np.stack([starts, ends], axis=1).ravel(), [pixels]])
    counts = np.diff(edge)
    return counts if counts[-1] else counts[:-1]


def compressed(counts: _Counts) -> str:
    """Return run lengths as COCO's string."""
    out = bytearray()
    runs: list[int] = counts.tolist()
    for n, count in enumerate(runs):
        value = count - runs[n - 2] if n >= _PLAIN else count
        while True:
            bits = value & _LOW
            value >>= _BITS
            done = value == (-1 if bits & _SIGN else 0)
            out.append(_FIRST_CHARACTER + (bits if done else bits | _MORE))
            if done:
                break
    return out.decode("ascii")


def expanded(text: str) -> _Counts:
    """Return the run lengths of COCO's string.

    Raises:
        InvalidRunLengths: It is none.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - _FIRST_CHARACTER
        if not 0 <= bits < 2 * _MORE:
            raise InvalidRunLengths(f"{character!r} is no character of run lengths")
        value |= (bits & _LOW) << shift
        shift += _BITS
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) >= _PLAIN else 0))
        value = shift = 0
    if shift or any(count < 0 for count in runs):
        raise InvalidRunLengths("the run lengths break off, or are below 0")
    return np.array(runs, np.int64)


def mask_of_runs(counts: _Counts, width_px: int, height_px: int) -> Mask:
    """Return the mask, (height, width), of its run lengths.

    Raises:
        InvalidRunLengths: They are not those of this size.
    """
    if int(counts.sum()) != width_px * height_px:
        raise InvalidRunLengths(
            f"the runs make {int(counts.sum())} pixels, not {width_px} x {height_px}"
        )
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width_px, height_px).T
