"""What is graded, a picture or a video, with what is asked of it; one interface to both."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.lease import Lease
from resources.model_cache import ModelSource
from studio_pipelines.grading.base import base_lut
from studio_pipelines.grading.film import grade_film, sample_frames
from studio_pipelines.grading.lut_reading import read_lut
from studio_pipelines.grading.parameters import GradingApply
from studio_pipelines.grading.recipe import decode, matte_of, path_of, recipe_of
from studio_pipelines.grading.still import Report, grade_still
from studio_pipelines.kept_files import Made

if TYPE_CHECKING:
    from studio_pipelines.media.lut_table import Lut
    from studio_pipelines.media.picture import Picture


@dataclass(frozen=True)
class Extras:
    """The request's other files, decoded.

    Attributes:
        lut: The look-up table.
        reference: The picture to match.
        mask: Where the grade acts.
    """

    lut: "Lut | None"
    reference: "Picture | None"
    mask: "Picture | None"


@dataclass(frozen=True)
class Material:
    """What is graded.

    Attributes:
        picture: The picture, or the frames that stand for the video.
        film: The video's file; None where it is a picture.
        megapixels: Size of the picture, or of a frame.
    """

    picture: "Picture"
    film: Path | None
    megapixels: float

    def extras(
        self,
        artifacts: ArtifactStore,
        *,
        lut: Artifact | None,
        reference: Artifact | None,
        mask: Artifact | None,
    ) -> Extras:
        """Decode what else there is."""
        wanted = None if reference is None else decode(artifacts, reference, "reference").as_rgb()
        drawn = None if mask is None else decode(artifacts, mask, "mask")
        return Extras(read_lut(artifacts, lut), wanted, drawn)

    def grade(
        self,
        params: GradingApply,
        extras: Extras,
        lease: Lease,
        network: ModelSource | None,
        folder: Path,
        report: Report,
    ) -> Made:
        """Work out the grade, apply it, and write the results into a folder."""
        base = base_lut(params, lease, network, self.picture, extras.reference)
        recipe = recipe_of(params, extras.lut, base, path_of(params, self.picture))
        if self.film is not None:
            return grade_film(params, recipe, self.film, self.picture, extras.mask, folder, report)
        matte = matte_of(params, extras.mask, self.picture)
        return grade_still(params, recipe, self.picture, matte, folder, report)


@contextmanager
def open_material(
    artifacts: ArtifactStore, *, image: Artifact | None, video: Artifact | None
) -> Generator[Material]:
    """Decode the picture, or look into the video; exactly one of them is there."""
    if image is not None:
        picture = decode(artifacts, image, "image").as_rgb()
        yield Material(picture, None, picture.height_px * picture.width_px / 1e6)
        return
    assert video is not None
    with artifacts.local_path(video) as path:
        told, picture = sample_frames(path)
        yield Material(picture, path, told.height_px * told.width_px / 1e6)
