"""What is cut out, a picture or a video, with what goes with it; one interface to both."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from studio_pipelines.compositing.cutting import Means, Report
from studio_pipelines.compositing.film import composite_film
from studio_pipelines.compositing.parameters import VfxComposite, settled
from studio_pipelines.compositing.still import composite_still
from studio_pipelines.compositing.stills import Stills, stills_of
from studio_pipelines.errors import UnsupportedMedia
from studio_pipelines.kept_files import Made

if TYPE_CHECKING:
    from studio_pipelines.media.layer import Layer
    from studio_pipelines.media.picture import Picture


@dataclass(frozen=True)
class Picturing:
    """A picture, with the request's other pictures.

    Attributes:
        stills: All of them.
    """

    stills: Stills

    @property
    def needs_subject(self) -> bool:
        """Whether a network has to find the subject."""
        return self.stills.needs_subject

    @property
    def megapixels(self) -> float:
        """Size of the foreground."""
        height, width = self.stills.foreground.size
        return height * width / 1e6

    def composite(self, params: VfxComposite, means: Means, folder: Path, report: Report) -> Made:
        """Cut out, lay over, and write the results into a folder."""
        return composite_still(settled(params), self.stills, means, folder, report)


@dataclass(frozen=True)
class Filming:
    """A video, and what lies under it.

    Attributes:
        film: The video's file.
        background: A picture, a video's file, or None.
        megapixels: Size of a frame.
        needs_subject: Always: a network has to find it.
    """

    film: Path
    background: "Layer | Path | None"
    megapixels: float
    needs_subject: bool = True

    def composite(self, params: VfxComposite, means: Means, folder: Path, report: Report) -> Made:
        """Cut out each frame, lay it over, and write the results into a folder."""
        # Closed-form matting takes a second and more for each frame.
        chosen = settled(params, "closedForm" if means.solves_by_network else "guided")
        return composite_film(chosen, self.film, self.background, means, folder, report)


def is_video(artifact: Artifact) -> bool:
    """Whether an asset is a video."""
    return artifact.media_type.startswith("video/")


@contextmanager
def open_material(
    artifacts: ArtifactStore,
    foreground: Artifact,
    *,
    background: Artifact | None,
    trimap: Artifact | None,
    mask: Artifact | None,
) -> Generator[Picturing | Filming]:
    """Decode the pictures, and look into the videos.

    Raises:
        UnsupportedMedia: A video is to lie under a picture.
        StudioError: A file cannot be used.
    """
    if not is_video(foreground):
        if background is not None and is_video(background):
            raise UnsupportedMedia(
                "The background is a video, and the foreground a picture.",
                field="background",
                hint="Send a picture as background, or a video as foreground.",
            )
        picture = decode(artifacts, foreground, "foreground")
        others = {
            field: None if one is None else decode(artifacts, one, field)
            for field, one in (("background", background), ("trimap", trimap), ("mask", mask))
        }
        yield Picturing(stills_of(picture, **others))
        return
    with ExitStack() as opened:
        film = opened.enter_context(artifacts.local_path(foreground))
        if background is not None and is_video(background):
            below = opened.enter_context(artifacts.local_path(background))
        else:
            below = _layer(artifacts, background)
        yield Filming(film, below, frame_megapixels(film))


def decode(artifacts: ArtifactStore, artifact: Artifact, field: str) -> "Picture":
    """Decode a picture in the confined helper."""
    from studio_pipelines.media.shared_decoder import shared_decoder

    with artifacts.local_path(artifact) as path:
        return shared_decoder().picture(path, field=field)


def _layer(artifacts: ArtifactStore, background: Artifact | None) -> "Layer | None":
    from studio_pipelines.media.layer import layer_of

    if background is None:
        return None
    return layer_of(decode(artifacts, background, "background"))


def frame_megapixels(film: Path) -> float:
    """Return the size of a video's frames.

    Raises:
        StudioError: The video cannot be used; ``field`` is ``foreground``.
    """
    from studio_pipelines.media.shared_decoder import shared_decoder
    from studio_pipelines.media.video_client import open_video

    with open_video(shared_decoder(), film, field="foreground", most_frames=1) as stream:
        list(stream.frames)
        return stream.format.width_px * stream.format.height_px / 1e6
