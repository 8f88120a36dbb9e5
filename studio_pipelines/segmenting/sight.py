"""A picture as a network sees it: decoded and encoded when it has to be, else as it was kept."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.embedding_cache import EmbeddingCache
from resources.model_folder import InstalledModel
from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.interruptible import run_interruptibly

if TYPE_CHECKING:
    from studio_pipelines.media.mask_region import Region
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.seen_picture import SeenPicture
    from studio_pipelines.media.segment_frame import Window
    from studio_pipelines.media.segmentation import Segmenter

# Raised when a picture is shown to the networks in another way.
_VERSION = "1"
_WHOLE = "whole"


@dataclass
class Sight:
    """A picture, and what a network has seen of it, in this job or before.

    Attributes:
        artifacts: Where the picture is.
        kept: What networks have made of pictures before.
        model: The network's files.
        image: The picture.
        decoded: The same, decoded, where that has been done already.
        encode_s: What encoding has taken in this job.
        encodings: How many windows were encoded in this job.
    """

    artifacts: ArtifactStore
    kept: EmbeddingCache
    model: InstalledModel
    image: Artifact
    decoded: "Picture | None" = None
    encode_s: float = 0.0
    encodings: int = 0
    _seen: dict[str, "SeenPicture"] = field(default_factory=dict)

    @cached_property
    def picture(self) -> "Picture":
        """The decoded picture.

        Raises:
            UnusableMedia: It cannot be decoded, or holds NaN or infinity.
        """
        from studio_pipelines.media.shared_decoder import shared_decoder

        picture = self.decoded
        if picture is None:
            with self.artifacts.local_path(self.image) as path:
                picture = shared_decoder().picture(path, field="image")
        if picture.has_non_finite:
            raise UnusableMedia(
                "image: it holds NaN or infinite values.", field="image", hint="Clean it first."
            )
        return picture

    @property
    def width_px(self) -> int:
        """Width of the upright picture."""
        return (self._remembered(_WHOLE) or self.picture).width_px

    @property
    def height_px(self) -> int:
        """Height of the upright picture."""
        return (self._remembered(_WHOLE) or self.picture).height_px

    @property
    def megapixels(self) -> float:
        """Size of the picture."""
        return self.width_px * self.height_px / 1e6

    @property
    def notes(self) -> tuple[str, ...]:
        """What decoding had to change or leave out."""
        return (self._remembered(_WHOLE) or self.picture).notes

    @cached_property
    def visible(self) -> Any:
        """Where the picture is not wholly transparent, or None where that is everywhere."""
        whole = self._remembered(_WHOLE)
        if whole is not None and not whole.has_holes:
            return None
        return _visible(self.picture)

    def seen(self, segmenter: "Segmenter", window: "Window") -> "SeenPicture":
        """Return what the network knows of a window.

        The same whether it was encoded now or before: what is kept is rounded, and so is this.
        """
        from studio_pipelines.media.seen_picture import SeenPicture

        name = self._name(window)
        found = self._remembered(name)
        if found is None:
            data = self._encode(segmenter, window).to_bytes()
            self.kept.write(self._key(name), data)
            found = self._seen[name] = SeenPicture.from_bytes(data)
        return found

    def nothing(self) -> "Region":
        """Return a mask of the picture without any pixel."""
        import numpy as np

        from studio_pipelines.media.mask_region import Region

        return Region(self.width_px, self.height_px, 0, 0, np.zeros((0, 0), bool))

    def view(self, window: "Window") -> Any:
        """Return a window in sRGB code values, (height, width, 3), the longer side 1024 pixels."""
        from studio_pipelines.media.seen_picture import view_of

        known = self._remembered(self._name(window))
        return view_of(self.picture, window) if known is None else known.view

    def _name(self, window: "Window") -> str:
        whole = (0, 0, self.width_px, self.height_px)
        return _WHOLE if window.corners == whole else ",".join(map(str, window.corners))

    def _remembered(self, name: str) -> "SeenPicture | None":
        from studio_pipelines.media.seen_picture import SeenPicture, UnreadableRecord

        if name not in self._seen:
            data = self.kept.read(self._key(name))
            if data is None:
                return None
            try:
                self._seen[name] = SeenPicture.from_bytes(data)
            except UnreadableRecord:
                return None
        return self._seen[name]

    def _key(self, name: str) -> str:
        said = "|".join((_VERSION, self.image.sha256, self.model.sha256, name))
        return hashlib.sha256(said.encode()).hexdigest()

    def _encode(self, segmenter: "Segmenter", window: "Window") -> "SeenPicture":
        from studio_pipelines.media.seen_picture import SeenPicture, shown, view_of
        from studio_pipelines.media.segment_frame import Frame

        picture = self.picture
        frame = Frame(window, segmenter.side_px, segmenter.keeps_shape)
        started_s = perf_counter()
        colours = shown(picture, window, frame.seen_px)
        known = run_interruptibly(lambda: segmenter.encode(colours), stop=segmenter.stop)
        self.encode_s += perf_counter() - started_s
        self.encodings += 1
        has_holes = _visible(picture) is not None
        view = view_of(picture, window)
        size = picture.width_px, picture.height_px
        return SeenPicture(*size, frame, view, known, has_holes, picture.notes)


def _visible(picture: "Picture") -> Any:
    from studio_pipelines.media.inpaint_mask import transparent

    hidden = transparent(picture)
    return None if hidden is None or not hidden.any() else ~hidden
