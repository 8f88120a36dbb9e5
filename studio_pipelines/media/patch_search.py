"""The search on one layer: sources for every patch that reaches into the hole, and the votes."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.patch_exhaustive import search_all
from studio_pipelines.media.patch_kernels import CHANNELS, COLOURS, Field, Ground, measure, sweep
from studio_pipelines.media.patch_layers import Layer, depth_of
from studio_pipelines.media.patch_votes import choose, vote
from studio_pipelines.media.thread_crew import ThreadCrew

_Floats = NDArray[np.float32]
_Ints = NDArray[np.int32]

# Rounds of a loop that one call does: a tenth of a second or so.
_PIECE: Final = 1 << 13
_EXHAUSTIVE_PIECE_PAIRS: Final = 1 << 20
_MAX_CANDIDATES: Final = 6000
_MAX_EXHAUSTIVE_PAIRS: Final = 6_000_000
_JUMPS: Final = (8, 2)
_CONFIDENCE_BASE: Final = 1.5
_FARTHEST_PX: Final = 40
_PEAK: Final = 255.0
_RING: Final = np.ones((3, 3), np.uint8)


@dataclass
class LayerSearch:
    """A layer's targets with their sources, improved step by step.

    Attributes:
        ground: The picture as it is so far, and its targets.
        field: The targets' sources.
        hole: (pixels, 2) row and column of what is filled.
        confidence: (targets,) how much each patch's vote counts: the more, the nearer the rim.
    """

    ground: Ground
    field: Field
    hole: _Ints
    confidence: _Floats
    _spare_field: Field
    _spare_values: _Floats
    _crew: ThreadCrew

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.ground.height, self.ground.width

    def improve(self, reach: int, seed: int) -> None:
        """Weigh the sources anew, and sweep over them with each jump."""
        count = len(self.ground.rows)
        self._crew.share(count, _PIECE, partial(measure, self.ground, self.field))
        for turn, jump in enumerate(_JUMPS):
            self.field, self._spare_field = self._spare_field, self.field
            before, after = self._spare_field, self.field
            loop = partial(sweep, self.ground, before, after, jump, reach, seed + turn)
            self._crew.share(count, _PIECE, loop)

    def vote(self) -> float:
        """Fill the hole with what the patches agree on; return the mean change of its colours."""
        before, after = self.ground.values, self._spare_values
        arguments = (self.ground, self.hole, self.field.sources, self._weights(), after)
        self._crew.share(len(self.hole), _PIECE, partial(vote, *arguments))
        self.ground, self._spare_values = self.ground._replace(values=after), before
        return self._change(before, after)

    def chosen(self) -> _Ints:
        """Return the pixel that each pixel of the hole is best copied from, (pixels, 2)."""
        chosen = np.empty_like(self.hole)
        arguments = (self.ground, self.hole, self.field.sources, self._weights(), chosen)
        self._crew.share(len(self.hole), _PIECE, partial(choose, *arguments))
        return chosen

    def misfit(self, colours: _Floats) -> float:
        """Return the root mean square difference of colours between patches and their sources.

        Args:
            colours: (height, width, 3), the hole filled.
        """
        values = np.zeros((*self.shape, CHANNELS), np.float32)
        values[..., :COLOURS] = colours
        ground = self.ground._replace(values=values.reshape(-1), pull=np.float32(0))
        found = Field(self.field.sources, np.empty_like(self.field.costs))
        self._crew.share(len(ground.rows), _PIECE, partial(measure, ground, found))
        return float(np.sqrt(found.costs.mean(dtype=np.float64) / COLOURS))

    def start_from(self, coarser: "LayerSearch") -> None:
        """Take the coarser layer's sources, at twice their place."""
        rows, columns = self.ground.rows, self.ground.columns
        height, width = coarser.shape
        at = np.minimum(rows // 2, height - 1), np.minimum(columns // 2, width - 1)
        number = coarser.ground.number[at]
        doubled = coarser.field.sources[number] * 2 + np.stack([rows & 1, columns & 1], axis=1)
        inside = (number >= 0) & (doubled < self.shape).all(axis=1)
        inside[inside] &= self.ground.usable[tuple(doubled[inside].T)]
        self.field.sources[inside] = doubled[inside]
        self.field.costs[:] = np.where(inside, 0, np.float32(1e6))
        self.vote()

    def start_from_rim(self) -> None:
        """Fill the hole ring by ring from outside, each with what best continues the known part."""
        values = self.ground.values.reshape(*self.shape, CHANNELS)
        missing = np.zeros(self.shape, bool)
        missing[tuple(self.hole.T)] = True
        candidates = _evenly(np.argwhere(self.ground.usable).astype(np.int32), _MAX_CANDIDATES)
        while missing.any():
            known = ~missing
            ring = missing & (cv2.dilate(known.astype(np.uint8), _RING) > 0)
            around = cv2.dilate(ring.astype(np.uint8), _RING) > 0
            part = search_of(_numbered(self.ground, around), np.argwhere(ring), self._crew)
            part.search_all(known.astype(np.float32), candidates)
            part.vote()
            filled = part.ground.values.reshape(values.shape)
            values[ring] = filled[ring]
            missing &= ~ring
        if len(self.ground.rows) * len(candidates) <= _MAX_EXHAUSTIVE_PAIRS:
            self.search_all(np.ones(self.shape, np.float32), candidates)
        self._spare_values[:] = self.ground.values

    def search_all(self, share: _Floats, candidates: _Ints) -> None:
        """Find the best source of all; see :func:`~patch_exhaustive.search_all`."""
        loop = partial(search_all, self.ground, share, candidates, self.field)
        piece = max(1, _EXHAUSTIVE_PIECE_PAIRS // len(candidates))
        self._crew.share(len(self.ground.rows), piece, loop)

    def _weights(self) -> _Floats:
        # Wexler et al. (2007): the 75th percentile tells patches that fit from those that don't.
        spread = max(float(np.percentile(self.field.costs, 75)), 1.0)
        return np.exp(self.field.costs * np.float32(-0.5 / spread)) * self.confidence

    def _change(self, before: _Floats, after: _Floats) -> float:
        at = self.hole @ np.array([self.ground.width, 1])
        pixels = [flat.reshape(-1, CHANNELS)[at, :COLOURS] for flat in (before, after)]
        return float(np.abs(pixels[0] - pixels[1]).mean())


def layer_search(layer: Layer, *, locality: float, seed: int, crew: ThreadCrew) -> LayerSearch:
    """Return a layer's search with sources taken at random.

    Args:
        layer: The layer; it has something to copy from.
        locality: Cost of a source as far away as the picture is long, as a share of the largest
            difference of two colours.
        seed: Of the random sources.
        crew: Runs the loops.
    """
    height, width = layer.hole.shape
    ground = Ground(
        values=np.ascontiguousarray(layer.values).reshape(-1).copy(),
        height=height,
        width=width,
        usable=layer.usable,
        number=np.empty((0, 0), np.int32),
        rows=np.empty(0, np.int32),
        columns=np.empty(0, np.int32),
        pull=np.float32(locality * _PEAK**2 / (height**2 + width**2)),
    )
    ground = _numbered(ground, layer.targets)
    search = search_of(ground, np.argwhere(layer.hole), crew)
    depths = np.minimum(depth_of(layer.hole), _FARTHEST_PX)[ground.rows, ground.columns]
    search.confidence[:] = _CONFIDENCE_BASE**-depths
    usable = np.argwhere(ground.usable).astype(np.int32)
    chance = np.random.default_rng(seed).integers(0, len(usable), len(ground.rows))
    search.field.sources[:] = usable[chance]
    return search


def search_of(ground: Ground, hole: NDArray[np.intp], crew: ThreadCrew) -> LayerSearch:
    """Return a search without sources, in which all targets count the same."""
    count = len(ground.rows)
    fields = [Field(np.zeros((count, 2), np.int32), np.zeros(count, np.float32)) for _ in range(2)]
    return LayerSearch(
        ground=ground,
        field=fields[0],
        hole=hole.astype(np.int32),
        confidence=np.ones(count, np.float32),
        _spare_field=fields[1],
        _spare_values=ground.values.copy(),
        _crew=crew,
    )


def _numbered(ground: Ground, targets: NDArray[np.bool_]) -> Ground:
    rows, columns = (axis.astype(np.int32) for axis in np.nonzero(targets))
    number = np.full(targets.shape, -1, np.int32)
    number[rows, columns] = np.arange(len(rows), dtype=np.int32)
    return ground._replace(number=number, rows=rows, columns=columns)


def _evenly(rows: _Ints, most: int) -> _Ints:
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]
