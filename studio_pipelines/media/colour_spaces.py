"""From one colour space to another through OpenColorIO's built-in ACES configurations."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
import PyOpenColorIO  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.colour_chain import Stage
from studio_pipelines.media.icc_stage import icc_to_xyz

ocio: Any = PyOpenColorIO  # it has no types

ICC: Final = "icc"
"""Stands for the space that a picture's own ICC profile describes."""

ColourConfig = Literal["studio-aces-2", "studio-aces-1.3", "cg-aces-2", "cg-aces-1.3"]

CONFIGS: Final[dict[str, str]] = {
    "studio-aces-2": "ocio://studio-config-v4.0.0_aces-v2.0_ocio-v2.5",
    "studio-aces-1.3": "ocio://studio-config-v2.2.0_aces-v1.3_ocio-v2.4",
    "cg-aces-2": "ocio://cg-config-v4.0.0_aces-v2.0_ocio-v2.5",
    "cg-aces-1.3": "ocio://cg-config-v2.2.0_aces-v1.3_ocio-v2.4",
}
"""The configurations by their names here; the Academy's names fix their content."""

WORKING_SPACE: Final = "ACEScct"
CODES_PER_STOP: Final = 1 / 17.52  # of ACEScct above its toe (S-2016-001)
ACESCCT_MIDDLE_GREY: Final = 0.4135884  # of 18 % light
_XYZ: Final = "CIE XYZ-D65 - Display-referred"
_SRGB: Final = "sRGB Encoded Rec.709 (sRGB)"
_LISTED: Final = 12


@dataclass(frozen=True, eq=False)
class ColourPath:
    """The way from an input space to a logarithmic working space, and on to the output.

    Attributes:
        input_space: Name of the space that the picture's values are in.
        output_space: Name of the space, or of the display and view, that they go to.
        to_working: Stages that lead into the working space.
        from_working: Stages that lead out of it.
        is_scene_linear: Whether the input's values are proportional to the scene's light, so that
            they reach far beyond 1.
        output_profile: ICC profile of what comes out, or None where there is none at hand.
        working_space: Name of the working space.
        middle_grey: The working space's code of 18 % light.
        codes_per_stop: By how much a doubling of light raises its codes.
    """

    input_space: str
    output_space: str
    to_working: tuple[Stage, ...]
    from_working: tuple[Stage, ...]
    is_scene_linear: bool
    output_profile: bytes | None = None
    working_space: str = WORKING_SPACE
    middle_grey: float = ACESCCT_MIDDLE_GREY
    codes_per_stop: float = CODES_PER_STOP


def colour_path(
    input_space: str,
    output_space: str | None = None,
    view: tuple[str, str] | None = None,
    *,
    config_name: ColourConfig = "studio-aces-2",
    icc_profile: bytes | None = None,
) -> ColourPath:
    """Return the way between two colour spaces.

    Args:
        input_space: A colour space, role or alias of the configuration, or ``icc``.
        output_space: Another; where it is None and there is no view, the input's, or sRGB after
            ``icc``.
        view: A display and one of its views, instead of an output space.
        config_name: One of :data:`CONFIGS`.
        icc_profile: The picture's RGB profile, for ``icc``.

    Raises:
        InvalidParameter: The configuration has no such space, display or view (the hint lists
            those that are near), or there is no profile.
    """
    config = _config(config_name)
    lead: tuple[Stage, ...] = ()
    source = _XYZ
    if input_space == ICC:
        lead = (icc_to_xyz(_required(icc_profile)),)
    else:
        source = _space(config, input_space, "inputSpace")
    if view is not None:
        target = " / ".join(view)
        out: Any = _view_transform(config, *view)
    else:
        asked = output_space or (_SRGB if input_space == ICC else input_space)
        target = _space(config, asked, "outputSpace")
        out = ocio.ColorSpaceTransform(src=WORKING_SPACE, dst=target)
    into = ocio.ColorSpaceTransform(src=source, dst=WORKING_SPACE)
    return ColourPath(
        input_space=input_space if input_space == ICC else source,
        output_space=target,
        to_working=(*lead, _stage(config, into)),
        from_working=(_stage(config, out),),
        is_scene_linear=_is_scene_linear(config, source),
        output_profile=_profile_of(config, target, view),
    )


def _required(profile: bytes | None) -> bytes:
    if profile is None:
        raise InvalidParameter(
            "inputSpace is 'icc', and the picture has no ICC profile for its RGB values.",
            field="inputSpace",
            hint="Name the colour space that the picture is in.",
        )
    return profile


def _is_scene_linear(config: Any, space: str) -> bool:
    return config.getColorSpace(space).getEncoding() == "scene-linear"


def _profile_of(config: Any, target: str, view: tuple[str, str] | None) -> bytes | None:
    """Return the ICC profile of what comes out: where libvips has one, which is sRGB and P3."""
    import pyvips  # it starts a thread, which a worker's parent must not have

    name = view[0] if view is not None else str(config.getColorSpace(target).getName())
    if name in ("sRGB - Display", _SRGB):
        return bytes(pyvips.Image.profile_load("srgb"))
    if name in ("Display P3 - Display", "sRGB Encoded P3-D65"):
        return bytes(pyvips.Image.profile_load("p3"))
    return None


@lru_cache(maxsize=4)
def _config(name: ColourConfig) -> Any:
    return ocio.Config.CreateFromFile(CONFIGS[name])


def _space(config: Any, name: str, field: str) -> str:
    found = config.getColorSpace(name)
    if found is None:
        raise InvalidParameter(
            f"{field} is {name!r}, which the colour configuration does not have.",
            field=field,
            hint=f"Some that it has: {_near(name, list(config.getColorSpaceNames()))}.",
        )
    return str(found.getName())


def _view_transform(config: Any, display: str, view: str) -> Any:
    for field, name, known in (
        ("display", display, list(config.getDisplays())),
        ("view", view, list(config.getViews(display)) if display else []),
    ):
        if name not in known:
            raise InvalidParameter(
                f"{field} is {name!r}, which the colour configuration does not have.",
                field=field,
                hint=f"It has: {_near(name, known)}.",
            )
    return ocio.DisplayViewTransform(src=WORKING_SPACE, display=display, view=view)


def _near(name: str, known: list[str]) -> str:
    """List the names that share the most letters' pairs with a name, the best first."""
    pairs = {name[k : k + 2].lower() for k in range(len(name) - 1)}
    ranked = sorted(known, key=lambda other: -sum(pair in other.lower() for pair in pairs))
    return ", ".join(ranked[:_LISTED])


def _stage(config: Any, transform: Any) -> Stage:
    processor = config.getProcessor(transform)
    if processor.isNoOp():
        return _nothing
    cpu = processor.getOptimizedCPUProcessor(
        ocio.BIT_DEPTH_F32, ocio.BIT_DEPTH_F32, ocio.OPTIMIZATION_VERY_GOOD
    )

    def convert(values: NDArray[np.float32]) -> None:
        count, lanes = values.shape
        cpu.apply(ocio.PackedImageDesc(values, count, 1, lanes))

    return convert


def _nothing(values: NDArray[np.float32]) -> None:
    """Leave the values as they are."""
