"""Grade a picture: exposure, white balance, contrast, CDL and a look-up table, in one pass."""

from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
from pydantic import Field

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.devices import CPU
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.progress import Progress
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.sniff import CUBE, PNG, Media
from studio_pipelines.operation import (
    ModelIdentity,
    Operation,
    OperationResult,
    Parameters,
    studio_op,
)

if TYPE_CHECKING:
    from studio_pipelines.media.grade import GradeRecipe
    from studio_pipelines.media.lut_table import Lut
    from studio_pipelines.media.picture import Picture

MODEL = ModelIdentity("studio-grade", "1", "Apache-2.0", "builtin")
PREVIEW_PX = 480

Triple = tuple[float, float, float]


class Cdl(Parameters):
    """An ASC colour decision list, applied in the standard's order (ASC CDL 1.2)."""

    slope: Triple = Field(
        default=(1.0, 1.0, 1.0), description="Factor for red, green and blue, from 0."
    )
    offset: Triple = Field(default=(0.0, 0.0, 0.0), description="Sum for red, green and blue.")
    power: Triple = Field(default=(1.0, 1.0, 1.0), description="Exponent, above 0.")
    saturation: float = Field(
        default=1.0, ge=0, le=16, description="0 is grey, 1 leaves it as it is."
    )


class GradingApply(Parameters):
    """The grade, in the order in which it is applied, and how to store the picture."""

    exposure: float = Field(0.0, ge=-10, le=10, description="In stops.")
    temperature: float = Field(
        0.0, ge=-100, le=100, description="In mired from D65: below 0 cooler, above 0 warmer."
    )
    tint: float = Field(0.0, ge=-100, le=100, description="Below 0 greener, above 0 more magenta.")
    contrast: float = Field(1.0, ge=0, le=16, description="Slope around the pivot; 1 is neutral.")
    pivot: float | None = Field(
        None, ge=0, le=1, description="Code value that contrast leaves alone; else middle grey."
    )
    cdl: Cdl = Field(default_factory=Cdl, description="Slope, offset, power and saturation.")
    interpolation: Literal["tetrahedral", "trilinear", "nearest"] = Field(
        "tetrahedral", description="How to read between the points of the look-up table."
    )
    intensity: float = Field(1.0, ge=0, le=1, description="Share of the grade in the result.")
    format: Literal["png", "jpeg", "webp", "tiff"] = Field("png", description="Of the result.")
    quality: int | None = Field(None, ge=1, le=100, description="Of JPEG and WebP.")


@studio_op(GradingApply)
def grading_apply(
    _context: dg.OpExecutionContext,
    params: GradingApply,
    image: Artifact,
    artifacts: ArtifactStore,
    gpu: Gpu,
    progress: Progress,
    lut: Artifact | None = None,
    mask: Artifact | None = None,
) -> OperationResult:
    """Apply a colour grade to a picture, and give the same grade as a .cube file."""
    from studio_pipelines.media.colour_difference import grade_verification
    from studio_pipelines.media.grade import compile_grade

    progress.report(0.0, "decoding")
    before = _decode(artifacts, image, "image").as_rgb()
    weights = _mask(artifacts, mask, before)
    recipe = _recipe(params, _table(artifacts, lut))
    megapixels = before.height_px * before.width_px / 1e6
    lease = gpu.lease(
        MODEL.name,
        size_class(megapixels, "megapixels"),
        guess_mib=64 + 16 * megapixels,  # measured at 16 bits; what jobs really use is learned
        device=CPU,
        on_wait=partial(progress.report, 0.3, "waiting for memory"),
    )
    with lease, artifacts.scratch() as folder:
        progress.report(0.3, "grading")
        started_s = perf_counter()
        after = before.with_pixels(compile_grade(recipe).apply(before.pixels, mask=weights))
        grade_s = perf_counter() - started_s
        progress.report(0.5, "measuring")
        verification = grade_verification(before.pixels, after.pixels)
        cube_max_error = _write_cube(recipe, folder)
        progress.report(0.7, "encoding")
        media_type, notes = _write_pictures(before, after, params, folder)
        kept = {
            "image": _adopt(artifacts, folder, "graded", media_type),
            "cube": _adopt(artifacts, folder, "grade.cube", CUBE.mime),
            "preview": _adopt(artifacts, folder, "before-after.png", PNG.mime),
        }
        preview = artifacts.open(kept["preview"]).read()
    return OperationResult(
        assets=kept,
        metrics={
            "megapixels": megapixels,
            "lutMs": round(1000 * grade_s, 3),
            "bitDepth": 8 * after.pixels.dtype.itemsize,
            **lease.describe(),
        },
        verification={"passed": True, "cubeMaxError": cube_max_error, **verification},
        model=MODEL,
        preview_png=preview,
        notes=(*before.notes, *notes, *_left_out(mask)),
    )


def _decode(artifacts: ArtifactStore, artifact: Artifact, field: str) -> "Picture":
    from studio_pipelines.media.shared_decoder import shared_decoder

    with artifacts.local_path(artifact) as path:
        return shared_decoder().picture(path, field=field)


def _table(artifacts: ArtifactStore, lut: Artifact | None) -> "Lut | None":
    from studio_pipelines.media.hald import lut_from_hald
    from studio_pipelines.media.lut_formats import parse_cube

    if lut is None:
        return None
    if lut.media_type == CUBE.mime:
        with artifacts.open(lut) as file:
            return parse_cube(file.read())
    return lut_from_hald(_decode(artifacts, lut, "lut").as_rgb().pixels)


def _mask(artifacts: ArtifactStore, mask: Artifact | None, picture: "Picture") -> Any:
    if mask is None:
        return None
    drawn = _decode(artifacts, mask, "mask")
    if (drawn.height_px, drawn.width_px) != (picture.height_px, picture.width_px):
        raise InvalidParameter(
            f"mask: it has {drawn.width_px} x {drawn.height_px} pixels, and the image has "
            f"{picture.width_px} x {picture.height_px}.",
            field="mask",
            hint="Send a mask of the image's size; white is graded, black is left alone.",
        )
    # Of a colour mask the green channel counts: it carries most of the luminance.
    return drawn.pixels[:, :, min(1, drawn.channels - 1)]


def _recipe(params: GradingApply, table: "Lut | None") -> "GradeRecipe":
    from studio_pipelines.media import grade

    return grade.GradeRecipe(
        exposure_stops=params.exposure,
        temperature_mired=params.temperature,
        tint=params.tint,
        contrast=params.contrast,
        pivot=grade.MIDDLE_GREY if params.pivot is None else params.pivot,
        cdl=grade.Cdl(**params.cdl.model_dump()),
        lut=table,
        interpolation=params.interpolation,
        intensity=params.intensity,
    )


def _write_cube(recipe: "GradeRecipe", folder: Path) -> float:
    from studio_pipelines.media.grade_bake import bake, cube_max_error
    from studio_pipelines.media.lut_formats import cube_blocks

    # Two points an edge hold a grade that changes nothing exactly.
    cube = bake(recipe, 2) if recipe.is_neutral else bake(recipe)
    with (folder / "grade.cube").open("wb") as file:
        file.writelines(cube_blocks(cube))
    return cube_max_error(recipe, cube)


def _write_pictures(
    before: "Picture", after: "Picture", params: GradingApply, folder: Path
) -> tuple[str, tuple[str, ...]]:
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.preview import side_by_side

    encoded = encode_picture(after, folder / "graded", format=params.format, quality=params.quality)
    preview = side_by_side(before, after, height_px=PREVIEW_PX)
    (folder / "before-after.png").write_bytes(preview)
    return encoded.media_type.mime, encoded.notes


def _adopt(artifacts: ArtifactStore, folder: Path, name: str, media_type: str) -> Artifact:
    return artifacts.adopt(folder / name, media_type=media_type, filename=name)


def _left_out(mask: Artifact | None) -> tuple[str, ...]:
    return () if mask is None else ("The .cube holds the grade without the mask.",)


def _preload() -> None:
    import numpy as np

    from studio_pipelines.media.colour_difference import grade_verification
    from studio_pipelines.media.grade import GradeRecipe, compile_grade
    from studio_pipelines.media.grade_bake import bake, cube_max_error
    from studio_pipelines.media.picture import Pixels

    # One small picture of each depth runs the compiled kernels that jobs will need.
    recipe = GradeRecipe(exposure_stops=0.1)
    cube = bake(recipe)
    cube_max_error(recipe, cube)
    graded = compile_grade(GradeRecipe(exposure_stops=0.1, lut=cube))
    pictures: tuple[Pixels, ...] = (
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.uint16),
        np.zeros((8, 8, 3), np.float32),
    )
    for pixels in pictures:
        grade_verification(pixels, graded.apply(pixels))


def _warm_up() -> None:
    from studio_pipelines.media import preview  # noqa: F401  libvips starts a thread on import
    from studio_pipelines.media.shared_decoder import shared_decoder

    shared_decoder().warm()


OPERATION = Operation(
    op=grading_apply,
    parameters=GradingApply,
    route="/grading/apply",
    worker="grading-engine",
    lane="image",
    accepts={"image": (Media.IMAGE,), "lut": (Media.LUT, Media.IMAGE), "mask": (Media.IMAGE,)},
    returns=Media.IMAGE,
    preload=_preload,
    warm_up=_warm_up,
    examples={
        "lut": {
            "image": "asset:ast_0123456789abcdef01234567",
            "lut": "asset:ast_89abcdef0123456701234567",
            "intensity": 0.9,
        }
    },
)
