"""What is looked at, a picture or a video; one interface to both."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from studio_pipelines.errors import InvalidParameter, UnusableMedia
from studio_pipelines.estimating.network import Sight
from studio_pipelines.estimating.parameters import DepthEstimate, wanted_outputs
from studio_pipelines.estimating.still import Report, estimate_still
from studio_pipelines.kept_files import Made

if TYPE_CHECKING:
    from studio_pipelines.media.picture import Picture


@dataclass(frozen=True)
class Still:
    """A decoded picture."""

    picture: "Picture"

    @property
    def megapixels(self) -> float:
        """Size of the picture."""
        return self.picture.height_px * self.picture.width_px / 1e6

    def estimate(self, params: DepthEstimate, sight: Sight, folder: Path, report: Report) -> Made:
        """Estimate its depth, and write the results into a folder."""
        from studio_pipelines.estimating.results import thumbnail, write_results

        found = estimate_still(params, self.picture, sight, report)
        report(0.75, "encoding")
        outputs = wanted_outputs(params, is_video=False)
        files, told, notes = write_results(params, outputs, self.picture, found, folder)
        return Made(
            files,
            {
                "megapixels": self.megapixels,
                **found.depth.describe(),
                "focalLengthPx": round(found.focal.length_px, 3),
                "focalLengthFrom": found.focal.source,
                "windows": found.windows,
                **told,
            },
            found.verification(),
            (*found.notes, *notes),
            thumbnail(params, found),
        )


@dataclass(frozen=True)
class Film:
    """A video's file.

    Attributes:
        path: The file.
        megapixels: Size of a frame.
    """

    path: Path
    megapixels: float

    def estimate(self, params: DepthEstimate, sight: Sight, folder: Path, report: Report) -> Made:
        """Estimate the depth of each frame, and write the results into a folder."""
        from studio_pipelines.estimating.film import estimate_film

        return estimate_film(params, self.path, sight, folder, report)


def require_one(image: Artifact | None, video: Artifact | None) -> None:
    """Refuse a request with neither or both.

    Raises:
        InvalidParameter: It is.
    """
    if (image is None) == (video is None):
        raise InvalidParameter(
            "Send an image or a video, one of them.", field="image" if video is None else "video"
        )


@contextmanager
def open_material(
    artifacts: ArtifactStore, *, image: Artifact | None, video: Artifact | None
) -> Generator[Still | Film]:
    """Decode the picture, or look into the video.

    Raises:
        StudioError: The file cannot be used.
    """
    from studio_pipelines.media.shared_decoder import shared_decoder
    from studio_pipelines.media.video_client import open_video

    if video is not None:
        with artifacts.local_path(video) as path:
            with open_video(shared_decoder(), path, field="video", most_frames=1) as stream:
                list(stream.frames)
                size = stream.format.width_px * stream.format.height_px / 1e6
            yield Film(path, size)
        return
    assert image is not None
    with artifacts.local_path(image) as path:
        picture = shared_decoder().picture(path, field="image")
    if picture.has_non_finite:
        raise UnusableMedia(
            "image: it holds NaN or infinite values.", field="image", hint="Clean it first."
        )
    yield Still(picture)
