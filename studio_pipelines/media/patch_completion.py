"""Fill a hole in a picture with patches from the rest of it, coarse to fine.

Wexler, Shechtman and Irani, *Space-Time Completion of Video* (2007), with the search of Barnes et
al., *PatchMatch* (2009), and the texture features of Newson et al. (2014).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.patch_layers import Layer, layers_of
from studio_pipelines.media.patch_seam import blend_seams
from studio_pipelines.media.patch_search import LayerSearch, layer_search
from studio_pipelines.media.thread_crew import ThreadCrew

_Floats = NDArray[np.float32]
_Mask = NDArray[np.bool_]

_COARSE_ROUNDS: Final = 20
_FINE_ROUNDS: Final = 3
_LOCALITY: Final = 0.2
_SETTLED: Final = 0.15
_SEEDS_APART: Final = 1009


class NothingToCopy(InvalidParameter):
    """The hole leaves no patch that is whole and may be copied."""


@dataclass(frozen=True, eq=False)
class Completion:
    """A filled picture.

    Attributes:
        colours: (height, width, 3), equal to the input outside the hole.
        uncertainty: Root mean square difference between the patches over the hole and those that
            they were copied from, in 8-bit code values: the higher, the less the picture had that
            fits.
    """

    colours: _Floats
    uncertainty: float


def complete(
    colours: _Floats,
    hole: _Mask,
    *,
    barred: _Mask | None = None,
    seed: int = 0,
    threads: int | None = None,
    report: Callable[[float], object] = lambda _: None,
) -> Completion:
    """Fill a hole; the same seed gives the same picture, on any number of threads.

    Args:
        colours: (height, width, 3), finite, in 8-bit code values or thereabouts.
        hole: (height, width) true where the picture is to be filled; its values there don't count.
        barred: (height, width) true where nothing may be copied from; None bars nothing.
        seed: Another one gives another filling.
        threads: How many; by default one for each core this process may use.
        report: Told now and then what share is done, 0 to 1.

    Raises:
        NothingToCopy: No patch is left to copy.
    """
    if barred is None:
        barred = np.zeros_like(hole)
    layers = layers_of(colours, hole, barred)
    if not layers[0].usable.any():
        raise NothingToCopy(
            "There is nothing left to fill the hole from: no piece of the picture is both outside "
            "the mask and allowed.",
            field="mask",
            hint="Make the mask or exclude smaller.",
        )
    with ThreadCrew(threads) as crew:
        search = _search_layers(layers, seed, crew, report)
        chosen = search.chosen()
        filled = blend_seams(colours, search.hole, chosen, crew)
        return Completion(filled, search.misfit(filled))


def _search_layers(
    layers: list[Layer], seed: int, crew: ThreadCrew, report: Callable[[float], object]
) -> LayerSearch:
    """Return the finest layer's search, once it has settled."""
    coarser: LayerSearch | None = None
    work = np.cumsum([0.0] + [float(layer.hole.sum()) for layer in reversed(layers)])
    for number, layer in zip(reversed(range(len(layers))), reversed(layers), strict=True):
        search = layer_search(layer, locality=_LOCALITY, seed=seed + number, crew=crew)
        if coarser is None:
            search.start_from_rim()
        else:
            search.start_from(coarser)
        _settle(search, number, len(layers), seed, widely=coarser is None)
        report(work[len(layers) - number] / work[-1])
        coarser = search
    assert coarser is not None
    return coarser


def _settle(search: LayerSearch, number: int, count: int, seed: int, *, widely: bool) -> None:
    """Search and vote by turns until little changes."""
    share = number / max(count - 1, 1)
    rounds = round(_FINE_ROUNDS + (_COARSE_ROUNDS - _FINE_ROUNDS) * share)
    longest = max(search.shape)
    for turn in range(rounds):
        far = widely or turn == 0
        reach = longest if far else max(8, longest >> (2 if number else 4))
        search.improve(reach, (seed * 7919 + number * _SEEDS_APART + turn * 31) & 0x7FFFFFFF)
        if number == 0 and turn == rounds - 1:
            return
        if search.vote() < _SETTLED and turn > 1 and number:
            return
