"""From a request to the grade that it asks for."""

from typing import TYPE_CHECKING, Any

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.grading.parameters import (
    GradingApply,
    QualifierParameters,
)

if TYPE_CHECKING:
    from studio_pipelines.media.colour_spaces import ColourPath
    from studio_pipelines.media.grade_recipe import GradeRecipe
    from studio_pipelines.media.lut_table import Lut
    from studio_pipelines.media.matte import Qualifier
    from studio_pipelines.media.picture import Picture


def decode(artifacts: ArtifactStore, artifact: Artifact, field: str) -> "Picture":
    """Decode a picture in the confined helper."""
    from studio_pipelines.media.shared_decoder import shared_decoder

    with artifacts.local_path(artifact) as path:
        return shared_decoder().picture(path, field=field)


def recipe_of(
    params: GradingApply, lut: "Lut | None", base: "Lut | None", path: "ColourPath | None"
) -> "GradeRecipe":
    """Return the grade that the parameters describe."""
    from studio_pipelines.media.grade_recipe import Cdl, GradeRecipe

    return GradeRecipe(
        base=base,
        exposure_stops=params.exposure,
        temperature_mired=params.temperature,
        tint=params.tint,
        contrast=params.contrast,
        pivot=params.pivot,
        cdl=Cdl(**params.cdl.model_dump()),
        lut=lut,
        interpolation=params.interpolation,
        intensity=params.intensity,
        path=path,
    )


def path_of(params: GradingApply, picture: "Picture") -> "ColourPath | None":
    """Return the way between the colour spaces that a request names, or None.

    Raises:
        InvalidParameter: A name is unknown.
    """
    from studio_pipelines.media.colour_spaces import colour_path
    from studio_pipelines.media.image_encode import has_fitting_profile

    if params.input_space is None:
        return None
    return colour_path(
        params.input_space,
        params.output_space,
        None if params.view is None else (params.display or "", params.view),
        config_name=params.colour_config,
        icc_profile=picture.icc_profile if has_fitting_profile(picture) else None,
    )


def matte_of(params: GradingApply, mask: "Picture | None", picture: "Picture") -> Any:
    """Return how much of the grade each pixel gets, (height, width); None where all of it."""
    from studio_pipelines.media.matte import crossed, feathered

    drawn = None if mask is None else _fitting_mask(mask, picture)
    if params.qualifier is None:
        return drawn if drawn is None else feathered(drawn, params.feather)
    matte = _qualifier(params.qualifier).shares(picture.pixels)
    return feathered(matte if drawn is None else crossed(matte, drawn), params.feather)


def _fitting_mask(mask: "Picture", picture: "Picture") -> Any:
    if (mask.height_px, mask.width_px) != (picture.height_px, picture.width_px):
        raise InvalidParameter(
            f"mask: it has {mask.width_px} x {mask.height_px} pixels, and the image has "
            f"{picture.width_px} x {picture.height_px}.",
            field="mask",
            hint="Send a mask of the image's size; white is graded, black is left alone.",
        )
    # Of a colour mask the green channel counts: it carries most of the luminance.
    return mask.pixels[:, :, min(1, mask.channels - 1)]


def _qualifier(asked: QualifierParameters) -> "Qualifier":
    from studio_pipelines.media.matte import Qualifier

    return Qualifier(
        hue_deg=asked.hue,
        saturation=asked.saturation,
        luma=asked.luma,
        hue_softness_deg=asked.hue_softness,
        saturation_softness=asked.saturation_softness,
        luma_softness=asked.luma_softness,
        inverted=asked.invert,
    )
