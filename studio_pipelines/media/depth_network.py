"""What a depth network is to the rest of the studio."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Quantity = Literal["inverse", "metres"]
"""``inverse``: inverse depth up to scale and shift, larger is nearer; ``metres``: depth itself."""


@dataclass(frozen=True, eq=False)
class NetworkDepth:
    """What a network makes of a picture.

    Attributes:
        values: Shape (height, width), of the network's own size; nothing but finite values.
        focal_length_px: For the picture's own width in pixels, where the network tells it.
    """

    values: NDArray[np.float32]
    focal_length_px: float | None = None


class DepthNetwork(Protocol):
    """A network that estimates depth from one picture."""

    @property
    def quantity(self) -> Quantity:
        """What its values are."""
        ...

    @property
    def usual_side_px(self) -> int:
        """Side that a picture is scaled to for it, where nobody asks for another."""
        ...

    def estimate(self, codes: NDArray[np.uint8], side_px: int) -> NetworkDepth:
        """Estimate a picture's depth.

        Args:
            codes: sRGB code values, shape (height, width, 3).
            side_px: What the picture is scaled to, in the network's own way.
        """
        ...

    def stop(self) -> None:
        """Make an estimate that runs in another thread end soon, with an error."""
        ...
