"""Grade one picture, and lay out the results in a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from studio_pipelines.grading.parameters import GradingApply
from studio_pipelines.media.sniff import CUBE, PNG

if TYPE_CHECKING:
    from studio_pipelines.media.grade_recipe import GradeRecipe
    from studio_pipelines.media.picture import Picture

PREVIEW_PX = 480
Report = Callable[[float, str], None]


@dataclass(frozen=True)
class GradedStill:
    """What was made of a picture.

    Attributes:
        files: Each result's file and media type by the result's name, the picture first.
        metrics: Figures of the work.
        verification: What was measured of the result.
        notes: Plain sentences for the person.
    """

    files: dict[str, tuple[Path, str]]
    metrics: dict[str, Any]
    verification: dict[str, Any]
    notes: tuple[str, ...]


def grade_still(
    params: GradingApply,
    recipe: "GradeRecipe",
    before: "Picture",
    matte: Any,
    folder: Path,
    report: Report,
) -> GradedStill:
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
    from studio_pipelines.media.image_encode import encode_picture

    report(0.3, "grading")
    started_s = perf_counter()
    after = before.with_pixels(compile_grade(recipe).apply(before.pixels, mask=matte))
    grade_s = perf_counter() - started_s
    report(0.5, "measuring")
    verification: dict[str, Any] = {"passed": True}
    verification |= grade_verification(before.pixels, after.pixels)
    files: dict[str, tuple[Path, str]] = {}
    if "cube" in params.outputs:
        verification["cubeMaxError"] = write_cube(recipe, folder / "grade.cube")
        files["cube"] = (folder / "grade.cube", CUBE.mime)
    report(0.7, "encoding")
    path = folder / "graded"
    encoded = encode_picture(after, path, format=params.format, quality=params.quality)
    files = {"image": (path, encoded.media_type.mime), **files}
    files |= _pictures(params, before, after, matte, folder)
    return GradedStill(
        files=files,
        metrics={"lutMs": round(1000 * grade_s, 3), "bitDepth": 8 * after.pixels.dtype.itemsize},
        verification=verification,
        notes=(*before.notes, *encoded.notes, *_left_out(params, matte)),
    )


def write_cube(recipe: "GradeRecipe", path: Path) -> float:
    """Write a grade as a .cube file; return the most that the file is off by."""
    from studio_pipelines.media.grade_bake import bake, cube_max_error
    from studio_pipelines.media.lut_formats import cube_blocks

    # Two points an edge hold a grade that changes nothing exactly.
    cube = bake(recipe, 2) if recipe.is_neutral else bake(recipe)
    with path.open("wb") as file:
        file.writelines(cube_blocks(cube))
    return cube_max_error(recipe, cube)


def _pictures(
    params: GradingApply, before: "Picture", after: "Picture", matte: Any, folder: Path
) -> dict[str, tuple[Path, str]]:
    """Write what there is to look at beside the result."""
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.preview import side_by_side
    from studio_pipelines.media.scopes import scopes_png

    files: dict[str, tuple[Path, str]] = {}
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


def _left_out(params: GradingApply, matte: Any) -> tuple[str, ...]:
    if matte is None or "cube" not in params.outputs:
        return ()
    return ("The .cube holds the grade without the mask or qualifier.",)
