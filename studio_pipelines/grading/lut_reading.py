"""The look-up tables of requests: read in the confined helper, kept for the next job or item."""

from collections import OrderedDict
from typing import TYPE_CHECKING

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from studio_pipelines.grading.recipe import decode

if TYPE_CHECKING:
    from studio_pipelines.media.lut_table import Lut

MOST_KEPT = 4
MOST_KEPT_BYTES = 4 << 20  # of one table: 65 points an edge are 3.3 million
_kept: "OrderedDict[str, Lut]" = OrderedDict()


def read_lut(artifacts: ArtifactStore, lut: Artifact | None) -> "Lut | None":
    """Read the look-up table of a request: a LUT file, or a Hald picture.

    One with the same content as an earlier one is that one, so that what was made of it, which is
    kept by the table's identity, serves again.

    Raises:
        StudioError: It cannot be used; ``field`` is ``lut``.
    """
    if lut is None:
        return None
    found = _kept.pop(lut.sha256, None) or _read(artifacts, lut)
    parts = (part for part in (found.shaper, found.table) if part is not None)
    if sum(part.nbytes for part in parts) <= MOST_KEPT_BYTES:
        _kept[lut.sha256] = found
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return found


def _read(artifacts: ArtifactStore, lut: Artifact) -> "Lut":
    from studio_pipelines.media.hald import lut_from_hald
    from studio_pipelines.media.lut_files import is_lut_text
    from studio_pipelines.media.shared_decoder import shared_decoder

    if not is_lut_text(lut.media_type):
        return lut_from_hald(decode(artifacts, lut, "lut").as_rgb().pixels)
    with artifacts.local_path(lut) as path:
        return shared_decoder().lut(path, field="lut")
