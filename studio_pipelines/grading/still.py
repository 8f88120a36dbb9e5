"""Grade one picture, and lay out the results in a folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from studio_pipelines.grading.parameters import GradingApply
from studio_pipelines.kept_files import Files, Made
from studio_pipelines.media.sniff import CUBE, PNG

if TYPE_CHECKING:
    from studio_pipelines.media.grade_recipe import GradeRecipe
    from studio_pipelines.media.image_encode import EncodedPicture
    from studio_pipelines.media.picture import Picture, Pixels

PREVIEW_PX = 480
Report = Callable[[float, str], None]


def grade_still(
    params: GradingApply,
    recipe: "GradeRecipe",
    before: "Picture",
    matte: Any,
    folder: Path,
    report: Report,
) -> Made:
    """Grade a picture and write everything that was asked for.

    Args:
        params: How to store it.
        recipe: The grade.
        before: RGB or RGBA.
        matte: How much of the grade each pixel gets, or None.
        folder: Where the files go.
        report: Is told how far the work is.
    """
    from studio_pipelines.media.colour_difference import grade_verification
    from studio_pipelines.media.grade import compile_grade

    report(0.3, "grading")
    started_s = perf_counter()
    out = _result_array(params, before)
    pixels = compile_grade(recipe).apply(before.pixels, mask=matte, out=out, dither=params.dither)
    grade_s = perf_counter() - started_s
    after = before.with_pixels(pixels)
    if recipe.path is not None:
        after = replace(after, icc_profile=recipe.path.output_profile)
    report(0.5, "measuring")
    measured = grade_verification(before.pixels, after.pixels)
    cube, told = cube_of(params, recipe, folder)
    report(0.7, "encoding")
    path = folder / "graded"
    encoded = _encode(params, recipe, after, path)
    image = {"image": (path, encoded.media_type.mime)}
    return Made(
        files=image | cube | compared(params, before, after, matte, folder),
        metrics={
            "megapixels": before.height_px * before.width_px / 1e6,
            "lutMs": round(1000 * grade_s, 3),
            "bitDepth": 8 * after.pixels.dtype.itemsize,
        },
        verification={"passed": True, **measured, **told},
        notes=(*before.notes, *encoded.notes, *_said(params, recipe, matte)),
    )


def _result_array(params: GradingApply, before: "Picture") -> "Pixels | None":
    """Return where the result goes, or None where it is of the picture's own depth."""
    import numpy as np

    deep = params.bit_depth
    if params.format == "exr":
        deep = 32
    elif params.dither and params.format in ("jpeg", "webp"):
        deep = 8
    if deep is None or deep == 8 * before.pixels.dtype.itemsize:
        return None
    return np.empty(before.pixels.shape, {8: np.uint8, 16: np.uint16, 32: np.float32}[deep])


def _encode(
    params: GradingApply, recipe: "GradeRecipe", after: "Picture", path: Path
) -> "EncodedPicture":
    from studio_pipelines.media.exr_encode import encode_exr
    from studio_pipelines.media.image_encode import encode_picture

    if params.format != "exr":
        return encode_picture(after, path, format=params.format, quality=params.quality)
    space = None if recipe.path is None else recipe.path.output_space
    samples = "float" if params.bit_depth == 32 else "half"
    return encode_exr(after, path, samples=samples, colour_space=space)


def cube_of(
    params: GradingApply, recipe: "GradeRecipe", folder: Path
) -> tuple[Files, dict[str, Any]]:
    """Write the grade's .cube if it is wanted; return its file, and what was measured of it."""
    if "cube" not in params.outputs:
        return {}, {}
    path = folder / "grade.cube"
    told = _write_cube(recipe, path)
    return {"cube": (path, CUBE.mime)}, told


def _write_cube(recipe: "GradeRecipe", path: Path) -> dict[str, Any]:
    """Write a grade as a .cube file.

    Light of the scene reaches far beyond 1, where a cube ends: then the cube takes the working
    space instead, as is the custom.

    Returns:
        ``cubeMaxError``, the most that the file is off by, and ``cubeInputSpace`` where there are
        colour spaces.
    """
    from studio_pipelines.media.grade_bake import bake, cube_max_error
    from studio_pipelines.media.lut_formats import cube_blocks

    space = None if recipe.path is None else recipe.path.input_space
    if recipe.path is not None and recipe.path.is_scene_linear:
        space = recipe.path.working_space
        recipe = replace(recipe, path=replace(recipe.path, to_working=()))
    # Two points an edge hold a grade that changes nothing exactly.
    cube = bake(recipe, 2) if recipe.is_neutral else bake(recipe)
    with path.open("wb") as file:
        file.writelines(cube_blocks(cube))
    told: dict[str, Any] = {} if space is None else {"cubeInputSpace": space}
    return {"cubeMaxError": cube_max_error(recipe, cube), **told}


def compared(
    params: GradingApply, before: "Picture", after: "Picture", matte: Any, folder: Path
) -> Files:
    """Write what there is to look at beside the result: sheet, scopes and matte."""
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.preview import side_by_side
    from studio_pipelines.media.scopes import scopes_png

    files: Files = {}
    if "preview" in params.outputs:
        files["preview"] = (folder / "before-after.png", PNG.mime)
        files["preview"][0].write_bytes(side_by_side(before, after, height_px=PREVIEW_PX))
    if "scopes" in params.outputs:
        files["scopes"] = (folder / "scopes.png", PNG.mime)
        files["scopes"][0].write_bytes(scopes_png(before.pixels, after.pixels))
    if "matte" in params.outputs and matte is not None:
        files["matte"] = (folder / "matte.png", PNG.mime)
        encode_picture(Picture(matte[:, :, None]), files["matte"][0])
    return files


def _said(params: GradingApply, recipe: "GradeRecipe", matte: Any) -> tuple[str, ...]:
    """Return what the person should know of the result."""
    notes: list[str] = []
    if matte is not None and "cube" in params.outputs:
        notes.append("The .cube holds the grade without the mask or qualifier.")
    if recipe.path is not None and recipe.path.output_profile is None and params.format != "exr":
        notes.append(f"The values are {recipe.path.output_space}; no ICC profile says so.")
    return tuple(notes)
