"""Write what was made of a picture."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from studio_pipelines.compositing.parameters import Output, VfxComposite
from studio_pipelines.kept_files import Files
from studio_pipelines.media.sniff import EXR, PNG

if TYPE_CHECKING:
    from studio_pipelines.compositing.cutting import Cut
    from studio_pipelines.media.layer import Layer
    from studio_pipelines.media.laying_over import Cutout
    from studio_pipelines.media.picture import Picture

PREVIEW_PX = 480


def write_results(
    params: VfxComposite,
    outputs: tuple[Output, ...],
    cut: "Cut",
    folder: Path,
    report: Callable[[float, str], None],
) -> tuple[Files, dict[str, Any], tuple[str, ...]]:
    """Write the results that are asked for, and a preview.

    Args:
        params: How to store them.
        outputs: Which, the main one first.
        cut: The subject on its canvas.
        folder: Where the files go.
        report: Is told how far the work is.

    Returns:
        The files, figures of the work, and sentences for the person.
    """
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.laying_over import laid_over

    files: Files = {}
    told: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    layer, cutout = cut.layer, cut.cutout
    shown = layer.as_picture(cutout.codes, cutout.alpha)
    if "composite" in outputs and cut.background is not None:
        started_s = perf_counter()
        codes, alpha = laid_over(cutout, cut.background, cut.curves, params.light_wrap)
        told["blendMs"] = round(1000 * (perf_counter() - started_s), 3)
        report(0.8, "encoding")
        composite = layer.as_picture(codes, alpha)
        path = folder / f"composite.{params.format}"
        encoded = encode_picture(composite, path, format=params.format, quality=params.quality)
        files["composite"] = (path, encoded.media_type.mime)
        notes = encoded.notes
        preview = composite
    else:
        report(0.8, "encoding")
        preview = shown
    if "foreground" in outputs:
        files["foreground"] = (folder / "foreground.png", PNG.mime)
        encode_picture(shown, files["foreground"][0])
    if "alpha" in outputs:
        files["alpha"] = (folder / "alpha.png", PNG.mime)
        encode_picture(_matte_picture(cutout, deep=layer.is_deep), files["alpha"][0])
    if "exr" in outputs:
        files["exr"] = (folder / "foreground.exr", EXR.mime)
        _write_exr(layer, cutout, files["exr"][0], folder)
    files["preview"] = (folder / "before-after.png", PNG.mime)
    files["preview"][0].write_bytes(compared(layer, preview))
    return files, told, notes


def _matte_picture(cutout: "Cutout", *, deep: bool) -> "Picture":
    from studio_pipelines.media.layer import rounded_to_bytes
    from studio_pipelines.media.picture import Picture

    alpha = cutout.alpha if deep else rounded_to_bytes(cutout.alpha)
    return Picture(alpha[..., None])


def compared(layer: "Layer", after: "Picture") -> bytes:
    """Return a sheet of a foreground and what was made of it, as PNG."""
    from studio_pipelines.media.preview import side_by_side

    before = layer.as_picture(layer.codes, layer.alpha)
    return side_by_side(before, after, height_px=PREVIEW_PX)


def _write_exr(layer: "Layer", cutout: "Cutout", path: Path, folder: Path) -> None:
    """Write the cut-out's light under Rec. 709 primaries, as OpenEXR has it when it says nothing.

    The values lie in a scratch file, which the kernel can page out: they are four times the codes.
    """
    import numpy as np

    from studio_pipelines.media.coverage import FULL
    from studio_pipelines.media.exr_encode import encode_exr
    from studio_pipelines.media.interruptible import bands
    from studio_pipelines.media.layer import Layer, converted, light_of
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.tone_curves import srgb_curves

    deep = np.zeros((1, 1, 3), np.uint16)
    target = Layer(deep, None, srgb_curves(), Picture(deep))
    own = replace(layer, codes=cutout.codes, picture=layer.as_picture(cutout.codes))
    shown = converted(own, target) if layer.profile is not None else own
    height, width = cutout.alpha.shape
    light = np.memmap(folder / "light", np.float32, "w+", shape=(height, width, 4))
    for rows in bands(height, width, 1 << 20):
        light[rows, :, :3] = light_of(replace(shown, codes=shown.codes[rows]))
        light[rows, :, 3] = cutout.alpha[rows] / np.float32(FULL)
    encode_exr(Picture(light), path, samples="half", colour_space="lin_rec709")
    (folder / "light").unlink()
