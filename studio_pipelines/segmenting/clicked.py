"""The mask that clicks mean, for operations that work on a masked picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.embedding_cache import EmbeddingCache
from resources.forecast import size_class
from resources.gpu import Gpu
from resources.model_folder import InstalledModel
from resources.model_shelf import AUTO, ModelNotInstalled, ModelShelf
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.segmenting.finding import find_meant, what_is_meant
from studio_pipelines.segmenting.network import choose_network, first_guess_mib, network_source
from studio_pipelines.segmenting.parameters import Box, Point
from studio_pipelines.segmenting.sight import Sight

if TYPE_CHECKING:
    from studio_pipelines.media.picture import Picture

_STAGE = "finding what is meant"


def clicked_network(models: ModelShelf) -> InstalledModel:
    """Return the network that finds what clicks mean.

    Raises:
        ModelNotInstalled: There is no segmentation model.
    """
    try:
        return choose_network(models, AUTO, subject=False)
    except ModelNotInstalled as error:
        raise ModelNotInstalled(error.message, field="points", hint=error.hint) from error


@dataclass(frozen=True)
class Clicker:
    """What makes masks of clicks, of the resources of a run."""

    artifacts: ArtifactStore
    embeddings: EmbeddingCache
    gpu: Gpu
    models: ModelStore
    progress: Progress

    def mask_of(
        self, image: Artifact, picture: "Picture", points: Sequence[Point], box: Box | None
    ) -> "tuple[Picture, str]":
        """Return what clicks mean, white on black, and a sentence that says who found it.

        Args:
            image: The picture's file.
            picture: The same, decoded.
            points: Clicks inside of what is meant, and outside.
            box: Around it, or None.

        Raises:
            ModelNotInstalled: There is no segmentation model.
            InvalidParameter: A click is beside the picture, or nothing was found.
        """
        from studio_pipelines.media.mask_region import softened
        from studio_pipelines.media.picture import Picture

        network = clicked_network(self.models.shelf)
        sight = Sight(self.artifacts, self.embeddings, network, image, decoded=picture)
        meant = what_is_meant(sight, points, box, None)
        source = network_source(network)
        lease = self.gpu.lease(
            network.name,
            size_class(sight.megapixels, "megapixels"),
            guess_mib=first_guess_mib(network, sight.megapixels),
            models=(source,),
            on_wait=partial(self.progress.report, 0.0, "waiting for memory"),
        )
        self.progress.report(0.0, _STAGE)
        with lease:
            found = lease.on_ladder(
                lambda _rung: find_meant(
                    sight, lease.model(source), meant, several=False, least_px=None
                )
            )
        region = found.segments[0].region
        if not region.area_px:
            raise InvalidParameter(
                "points: nothing was found where they are.",
                field="points",
                hint="Click on the middle of what is meant, or draw a mask.",
            )
        said = f"The mask was made from the points by {network.name}."
        return Picture(softened(region.whole(), 0)[..., None]), said
