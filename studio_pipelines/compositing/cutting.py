"""Cut the subject out of a picture, or of a frame, and put it on its canvas."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from studio_pipelines.compositing.parameters import VfxComposite, channels_of
from studio_pipelines.compositing.stills import Stills

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from studio_pipelines.media.coverage import Alpha
    from studio_pipelines.media.foreground_colours import Colours
    from studio_pipelines.media.layer import Layer
    from studio_pipelines.media.laying_over import Cutout
    from studio_pipelines.media.matte_refining import Solve
    from studio_pipelines.media.placement import Placement
    from studio_pipelines.media.tone_curves import ToneCurves

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Means:
    """What a subject is found and cut out with.

    Attributes:
        find: Tells how surely each pixel of a layer is the subject, 0 to 1, at any size.
        solve: Finds alpha in the unknown part of a trimap.
        solves_by_network: Whether a network that was asked for does so.
    """

    find: "Callable[[Layer], NDArray[Any]]"
    solve: "Solve"
    solves_by_network: bool = False


@dataclass(frozen=True)
class Cut:
    """A subject on its canvas, with what it came from.

    Attributes:
        layer: The foreground.
        placed: The foreground in the size in which it lies on the canvas.
        alpha: The coverage of ``placed``.
        cutout: On the canvas.
        background: Of the canvas's size, or None.
        curves: The light that is blended.
        key: Direction of the old background's hue, or None.
        notes: Plain sentences for the person.
    """

    layer: "Layer"
    placed: "Layer"
    alpha: "Alpha"
    cutout: "Cutout"
    background: "Layer | None"
    curves: "ToneCurves"
    key: "NDArray[Any] | None"
    notes: tuple[str, ...]

    def verification(self) -> dict[str, Any]:
        """Measure the matte, and the spill before and after."""
        from studio_pipelines.media.matte_report import matte_verification, spill_left

        cutout = self.cutout
        return {
            **matte_verification(cutout.alpha),
            "spillBefore": spill_left(self.placed.codes, self.alpha, self.key, self.curves),
            "spillLeft": spill_left(cutout.codes, cutout.alpha, self.key, self.curves),
        }


def cut_out(params: VfxComposite, stills: Stills, means: Means, report: Report) -> Cut:
    """Cut the subject out and put it on its canvas.

    Args:
        params: What is asked for.
        stills: The pictures.
        means: How the subject is found.
        report: Is told how far the work is, from 0.1 to 0.7.
    """
    placement, placed = _placed(params, stills)
    report(0.1, "finding the subject")
    alpha = _matte(params, placed, means, report)
    report(0.6, "finding its colours")
    layer, curves = placed.foreground, _curves(params, stills.foreground)
    colours, notes = _colours(params, layer, alpha, curves)
    report(0.7, "compositing")
    cutout, background = _on_canvas(params, stills, placement, colours, alpha)
    said = (*stills.foreground.notes, *(background.notes if background else ()), *notes)
    return Cut(stills.foreground, layer, alpha, cutout, background, curves, colours.key, said)


def _placed(params: VfxComposite, stills: Stills) -> "tuple[Placement, Stills]":
    """Return where the foreground lies, and it and its mask as large as they lie there.

    It is brought to its size first, so that edges are found on the grid that they are blended on.
    """
    from studio_pipelines.media.placement import place
    from studio_pipelines.media.resampling import resized, resized_shares

    layer = stills.foreground
    canvas = layer.size
    if params.size == "background" and stills.background is not None:
        canvas = stills.background.size
    placement = place(layer.size, canvas, params.position, params.scale)
    scaled = resized(layer, *placement.size)
    trimap, mask = (
        None if drawn is None else resized_shares(drawn, *placement.size)
        for drawn in (stills.trimap, stills.mask)
    )
    return placement, Stills(scaled, None, trimap, mask)


def _matte(params: VfxComposite, placed: Stills, means: Means, report: Report) -> "Alpha":
    from studio_pipelines.compositing.matte import matte_of
    from studio_pipelines.media.matte import crossed
    from studio_pipelines.media.matte_edges import edged

    own, mask = placed.foreground.alpha, placed.mask
    if own is None:
        alpha = matte_of(params, placed, means, report)
    else:
        both: Any = own if mask is None else crossed(own, mask)
        alpha = both
    return edged(alpha, choke_px=params.choke, feather_px=params.feather)


def _curves(params: VfxComposite, layer: "Layer") -> "ToneCurves":
    from studio_pipelines.media.tone_curves import display_curves

    return layer.curves if params.blend_space == "linear" else display_curves()


def _colours(
    params: VfxComposite, layer: "Layer", alpha: "Alpha", curves: "ToneCurves"
) -> "tuple[Colours, tuple[str, ...]]":
    """Return the subject's own colours, the old background's hue taken off them."""
    from studio_pipelines.media.foreground_colours import (
        foreground_colours,
        hue_of,
        without_spill,
    )
    from studio_pipelines.media.layer import light_of

    # A picture with transparency of its own holds the subject's colours alone.
    estimation = "none" if layer.alpha is not None else params.foreground_estimation
    blended = replace(layer, curves=curves)
    colours = foreground_colours(blended, alpha, estimation)
    if params.despill_colour is not None:
        light = light_of(replace(_filled(layer, params.despill_colour, (1, 1)), curves=curves))
        colours = replace(colours, key=hue_of(light[0, 0]))
    if params.despill == 0:
        return colours, ()
    if colours.key is None:
        return colours, ("The colour around the subject is grey: it leaves no spill to take off.",)
    codes = without_spill(colours.codes, alpha, colours.key, params.despill, curves)
    return replace(colours, codes=codes), ()


def _on_canvas(
    params: VfxComposite,
    stills: Stills,
    placement: "Placement",
    colours: "Colours",
    alpha: "Alpha",
) -> "tuple[Cutout, Layer | None]":
    from studio_pipelines.media.layer import converted
    from studio_pipelines.media.laying_over import Cutout
    from studio_pipelines.media.placement import backdrop

    cutout = Cutout(placement.on_canvas(colours.codes), placement.on_canvas(alpha))
    if params.background_colour is not None:
        return cutout, _filled(stills.foreground, params.background_colour, placement.canvas)
    if stills.background is None:
        return cutout, None
    below = converted(stills.background, stills.foreground)
    return cutout, backdrop(below, placement.canvas, params.fit)


def _filled(like: "Layer", colour: Any, size: tuple[int, int]) -> "Layer":
    """Return a layer of one sRGB colour, in another's profile and depth."""
    import numpy as np

    from studio_pipelines.media.layer import Layer, converted
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.tone_curves import srgb_curves

    codes = np.rint(np.array(channels_of(colour)) * 65535).astype(np.uint16)[None, None]
    one = converted(Layer(codes, None, srgb_curves(), Picture(codes)), like)
    filled: Any = np.empty((*size, 3), one.codes.dtype)
    filled[:] = one.codes[0, 0]
    return Layer(filled, None, like.curves, like.as_picture(filled))
