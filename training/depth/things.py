"""The meshes there are, by where they belong."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.depth.meshes import Mesh
from training.depth.textures import Looks, Rng

INDOORS = (
    "Living room", "Miscellaneous", "Kitchen", "Bedroom", "Bathroom", "Office", "Lights", "toys",
)  # fmt: skip
OUTDOORS = ("Vehicles", "Exterior", "toys")
PEOPLE = ("people", "Characters")


@dataclass
class Things:
    """All that scenes are furnished with."""

    meshes: list[Mesh]
    looks: Looks

    def __post_init__(self) -> None:
        self.places: dict[str, list[int]] = {}
        for place, mesh in enumerate(self.meshes):
            self.places.setdefault(mesh.kind, []).append(place)

    def pick(
        self, rng: Rng, kinds: tuple[str, ...], fits: Callable[[Mesh], bool] = lambda _: True
    ) -> Mesh | None:
        """Return one of these kinds that fits, or None where none was found soon."""
        lists = [self.places[kind] for kind in kinds if kind in self.places]
        for _ in range(40):
            kind = lists[rng.integers(len(lists))] if rng.random() < 0.3 else sum(lists, [])
            mesh = self.meshes[kind[rng.integers(len(kind))]]
            if fits(mesh):
                return mesh
        return None

    def person(self, rng: Rng) -> Mesh:
        """Return a person of more than a child's height."""
        kinds = ("people",) if rng.random() < 0.8 else PEOPLE
        found = self.pick(rng, kinds, lambda mesh: mesh.size[1] > 0.6)
        assert found is not None
        return found

    def any(self, rng: Rng) -> Mesh:
        """Return any of them."""
        return self.meshes[rng.integers(len(self.meshes))]


def spread(rng: Rng, low: float, high: float) -> float:
    """Return a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
